/* SPDX-License-Identifier: MIT */
/*
 * The handler is installed once per process and stays installed. A fault in a guard page of ptk's is
 * reported; then it is passed on, like every other fault, to the earlier disposition. An earlier handler is
 * called. Where there was none, the earlier disposition is restored and the handler returns, so that the same
 * instruction faults again and the kernel acts as it would have, core file included. A signal that was sent
 * by kill(2) does not repeat by itself: it is ignored or turned into a real fault, according to the earlier
 * disposition.
 *
 * The handler must not allocate, lock, or format with libc.
 */
#include "context/ptk_overflow.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_stack_registry.h"
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* Systems where a guard page raises SIGBUS. On Linux it never does, and a bus error there has another cause.
 */
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
#define OVERFLOW_GUARD_RAISES_BUS 1
#else
#define OVERFLOW_GUARD_RAISES_BUS 0
#endif

#define OVERFLOW_LINE_BYTES 512

/* A line that is built without libc; text beyond its end is dropped. */
typedef struct overflow_line {
    size_t length;
    char text[OVERFLOW_LINE_BYTES];
} overflow_line_t;

static struct sigaction overflow_earlier_segv;
static struct sigaction overflow_earlier_bus;
static atomic_bool overflow_installed;
static atomic_uintptr_t overflow_last_reported;

/* --- the report --- */

/* Appends text, as far as there is room. */
static void overflow_add_text(overflow_line_t *line, const char *text) {
    while (*text && line->length < OVERFLOW_LINE_BYTES) {
        line->text[line->length++] = *text++;
    }
}

/* Appends a decimal number. The digits are produced from the end, because the lowest comes first. */
static void overflow_add_number(overflow_line_t *line, size_t number) {
    char digits[24];
    size_t first = sizeof digits - 1;
    digits[first] = 0;
    do {
        digits[--first] = (char) ('0' + number % 10);
        number /= 10;
    } while (number > 0);
    overflow_add_text(line, digits + first);
}

/* Writes the report by one system call. The final newline replaces the last character where the line was cut.
 */
static void overflow_report(const ptk_stack_label_t *label, size_t stack_bytes) {
    overflow_line_t line = {0};
    overflow_add_text(&line, "ptk: stack overflow in green thread \"");
    overflow_add_text(&line, label->name ? label->name : "");
    overflow_add_text(&line, "\" (stack of ");
    overflow_add_number(&line, stack_bytes);
    overflow_add_text(&line, " bytes");
    if (label->file) {
        overflow_add_text(&line, ", spawned at ");
        overflow_add_text(&line, label->file);
        overflow_add_text(&line, ":");
        overflow_add_number(&line, label->line > 0 ? (size_t) label->line : 0);
    }
    overflow_add_text(&line, ")\n");
    line.text[line.length - 1] = '\n';
    (void) ptk_sys_real.write_error(line.text, line.length);
}

/* Reports a fault in a guard page, once per address: an earlier handler that returns without removing the
 * cause makes the same instruction fault again endlessly. */
static void overflow_report_if_guard(const void *address) {
    ptk_stack_label_t label;
    size_t stack_bytes;
    if (!ptk_stack_find_guard(address, &label, &stack_bytes)) {
        return;
    }
    if (atomic_exchange(&overflow_last_reported, (uintptr_t) address) != (uintptr_t) address) {
        overflow_report(&label, stack_bytes);
    }
}

/* --- passing on --- */

/* Returns whether the signal was sent. Positive codes are the kernel's, for the interrupted instruction. */
static bool overflow_was_sent(const siginfo_t *info) {
    return info->si_code <= 0;
}

/* Ends the process: the signal is blocked while its handler runs, and the kernel does not deliver a fault
 * that is blocked. */
__attribute__((no_sanitize("undefined", "address"))) static void overflow_fault(void) {
    volatile uintptr_t nowhere = 1;
    *(volatile char *) nowhere = 0;
}

/* Restores the earlier disposition, SIG_DFL or SIG_IGN, unless it ignores a signal that was sent. */
static void overflow_act_as_before(int signal_number, const siginfo_t *info,
                                   const struct sigaction *earlier) {
    bool ignored = earlier->sa_handler == SIG_IGN;
    if (overflow_was_sent(info) && ignored) {
        return;
    }
    ptk_sys_real.signal_action(signal_number, earlier, NULL);
    if (overflow_was_sent(info)) {
        overflow_fault();
    }
}

/* Runs on the alternate stack: the stack that overflowed has no room for a signal frame. */
static void overflow_handler(int signal_number, siginfo_t *info, void *context) {
    const struct sigaction *earlier =
        signal_number == SIGSEGV ? &overflow_earlier_segv : &overflow_earlier_bus;
    overflow_report_if_guard(info->si_addr);
    if (earlier->sa_flags & SA_SIGINFO) {
        earlier->sa_sigaction(signal_number, info, context);
    } else if (earlier->sa_handler == SIG_DFL || earlier->sa_handler == SIG_IGN) {
        overflow_act_as_before(signal_number, info, earlier);
    } else {
        earlier->sa_handler(signal_number);
    }
}

/* --- installing --- */

/* Installs the handler for one signal; 0 or a negative errno value. The earlier disposition is read first,
 * because the handler may run before the second call returns. */
static int overflow_install(int signal_number, struct sigaction *earlier) {
    int result = ptk_sys_real.signal_action(signal_number, NULL, earlier);
    if (result == 0) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = overflow_handler;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        result = ptk_sys_real.signal_action(signal_number, &action, NULL);
    }
    return result;
}

/* Threads that come second do not wait for the first one's installation: until it is done, a fault has its
 * earlier effect. */
static void overflow_install_once(void) {
    if (atomic_exchange(&overflow_installed, true)) {
        return;
    }
    int result = overflow_install(SIGSEGV, &overflow_earlier_segv);
    if (result == 0 && OVERFLOW_GUARD_RAISES_BUS) {
        result = overflow_install(SIGBUS, &overflow_earlier_bus);
    }
    if (result != 0) {
        ptk_log(PTK_LOG_WARNING, "cannot install the stack-overflow handler (errno %d)", -result);
    }
}

/* Returns whether the signal was blocked in this thread. */
static bool overflow_unblock(int signal_number) {
    bool blocked = ptk_sys_real.signal_is_blocked(signal_number);
    if (blocked) {
        ptk_sys_real.signal_set_blocked(signal_number, false);
    }
    return blocked;
}

void ptk_overflow_thread_init(ptk_overflow_thread_t *thread) {
    overflow_install_once();
    thread->stack = NULL;
    int result = ptk_sys_real.signal_stack_install(&thread->stack);
    if (result != 0) {
        ptk_log(PTK_LOG_WARNING, "cannot allocate a stack for the stack-overflow handler (errno %d)",
                -result);
    }
    thread->blocked_segv = overflow_unblock(SIGSEGV);
    thread->blocked_bus = OVERFLOW_GUARD_RAISES_BUS && overflow_unblock(SIGBUS);
}

void ptk_overflow_thread_fini(const ptk_overflow_thread_t *thread) {
    if (thread->blocked_segv) {
        ptk_sys_real.signal_set_blocked(SIGSEGV, true);
    }
    if (thread->blocked_bus) {
        ptk_sys_real.signal_set_blocked(SIGBUS, true);
    }
    if (thread->stack) {
        ptk_sys_real.signal_stack_remove(thread->stack);
    }
}
