/* SPDX-License-Identifier: MIT */
/*
 * The handler is installed once per process and stays. A fault in a guard page of ours is reported; then,
 * like every other fault, it goes on to whoever was there before: a handler is called; where there was none,
 * the earlier disposition is put back and the handler returns, so that the same instruction faults again and
 * the kernel does what it would have done, core file and all. A signal that somebody sent does not come again
 * by itself: it is ignored or turned into a real fault, as the earlier disposition says. Nothing here may
 * allocate, lock or format with libc.
 */
#include "context/ptk_overflow.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_stack.h"
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* Where a guard page raises SIGBUS. Linux never does, and there a bus error is somebody else's. */
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
#define GUARD_RAISES_BUS 1
#else
#define GUARD_RAISES_BUS 0
#endif

#define LINE_BYTES 512

typedef struct line {
    size_t length;
    char text[LINE_BYTES];
} line_t;

static struct sigaction earlier_segv;
static struct sigaction earlier_bus;
static atomic_bool installed;
static atomic_uintptr_t last_reported;

/* --- The report --- */

static void add_text(line_t *line, const char *text) {
    while (*text && line->length < LINE_BYTES) {
        line->text[line->length++] = *text++;
    }
}

static void add_number(line_t *line, size_t number) {
    char digits[24];
    size_t first = sizeof digits - 1;
    digits[first] = 0;
    do {
        digits[--first] = (char) ('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add_text(line, digits + first);
}

static void report(const ptk_stack_label_t *label, size_t stack_bytes) {
    line_t line = {0};
    add_text(&line, "ptk: stack overflow in green thread \"");
    add_text(&line, label->name ? label->name : "");
    add_text(&line, "\" (stack of ");
    add_number(&line, stack_bytes);
    add_text(&line, " bytes");
    if (label->file) {
        add_text(&line, ", spawned at ");
        add_text(&line, label->file);
        add_text(&line, ":");
        add_number(&line, label->line > 0 ? (size_t) label->line : 0);
    }
    add_text(&line, ")\n");
    line.text[line.length - 1] = '\n';
    ptk_sys_real.write_error(line.text, line.length);
}

/* Once per place: a handler that returns without a cure comes back here for ever. */
static void report_if_ours(const void *address) {
    ptk_stack_label_t label;
    size_t stack_bytes;
    if (!ptk_stack_find_guard(address, &label, &stack_bytes)) {
        return;
    }
    if (atomic_exchange(&last_reported, (uintptr_t) address) != (uintptr_t) address) {
        report(&label, stack_bytes);
    }
}

/* --- What comes after it --- */

/* Positive codes come from the kernel for the instruction that runs now. */
static bool was_sent(const siginfo_t *info) {
    return info->si_code <= 0;
}

/* The signal is blocked while its handler runs, so the kernel ends the process here. */
__attribute__((no_sanitize("undefined", "address"))) static void fault(void) {
    volatile uintptr_t nowhere = 1;
    *(volatile char *) nowhere = 0;
}

static void act_as_before(int signal_number, const siginfo_t *info, const struct sigaction *earlier) {
    bool ignored = earlier->sa_handler == SIG_IGN;
    if (was_sent(info) && ignored) {
        return;
    }
    ptk_sys_real.signal_action(signal_number, earlier, NULL);
    if (was_sent(info)) {
        fault();
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    const struct sigaction *earlier = signal_number == SIGSEGV ? &earlier_segv : &earlier_bus;
    report_if_ours(info->si_addr);
    if (earlier->sa_flags & SA_SIGINFO) {
        earlier->sa_sigaction(signal_number, info, context);
    } else if (earlier->sa_handler == SIG_DFL || earlier->sa_handler == SIG_IGN) {
        act_as_before(signal_number, info, earlier);
    } else {
        earlier->sa_handler(signal_number);
    }
}

/* --- Installing --- */

/* What was there is read first, so that the handler never runs without knowing it. */
static int install(int signal_number, struct sigaction *earlier) {
    int result = ptk_sys_real.signal_action(signal_number, NULL, earlier);
    if (result == 0) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        result = ptk_sys_real.signal_action(signal_number, &action, NULL);
    }
    return result;
}

void *ptk_overflow_thread_init(void) {
    void *cookie = NULL;
    if (!atomic_exchange(&installed, true)) {
        int result = install(SIGSEGV, &earlier_segv);
        if (result == 0 && GUARD_RAISES_BUS) {
            result = install(SIGBUS, &earlier_bus);
        }
        if (result != 0) {
            ptk_log(PTK_LOG_WARNING, "no handler for stack overflows (errno %d)", -result);
        }
    }
    int result = ptk_sys_real.signal_stack_install(&cookie);
    if (result != 0) {
        ptk_log(PTK_LOG_WARNING, "no stack for the overflow handler (errno %d)", -result);
        return NULL;
    }
    return cookie;
}

void ptk_overflow_thread_fini(void *cookie) {
    if (cookie) {
        ptk_sys_real.signal_stack_remove(cookie);
    }
}
