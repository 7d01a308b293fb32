/* SPDX-License-Identifier: MIT */
/*
 * A handler that was installed over ptk's may have saved ptk's and call it for ever, so ptk's handlers do
 * something sensible whenever they are called. There are two of them:
 *
 *     level 0     neither handler is installed, nor can a later handler have saved one
 *     level 1     `chain_handle_first` was installed; a later handler may lie over it
 *     level 2     a later handler lay over it when ptk came back, and `chain_handle_again` was installed over
 * both
 *
 * At level 2 the later handler may call the first one, or not. The second one delivers in either case, and
 * the first one only calls what was there before it; one handler alone could not distinguish the two calls,
 * and would call the later handler in a circle. If yet another handler is found over the second one, ptk
 * stays below it and depends on being called.
 *
 * Two copies of the library each see the other's handler as a stranger's. If the copy that came first leaves
 * first, its handler stays below the other's, and is current again when that one leaves. Without a
 * subscription it then restores the default disposition and raises the signal once more, so that SIGTERM ends
 * the process.
 *
 * A handler on another thread reads a link while it changes: the link is one of two function pointers, each
 * atomic, and what is read was an earlier handler at some time.
 */
#include "base/ptk_signal_chain.h"

#include "base/ptk_assert.h"
#include "base/ptk_thread.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

typedef void (*chain_plain_t)(int signal_number);
typedef void (*chain_informed_t)(int signal_number, siginfo_t *info, void *context);

/* What a handler of ptk's replaced. At most one of the pointers is set. */
typedef struct chain_link {
    struct sigaction earlier; /* not read by handlers */
    _Atomic(chain_plain_t) plain;
    _Atomic(chain_informed_t) informed;
    atomic_bool is_default; /* SIG_DFL */
} chain_link_t;

static struct {
    _Atomic(ptk_signal_deliver_fn) deliver[PTK_SIGNAL_CHAIN_USERS]; /* NULL: not in use */
    atomic_int level;
    chain_link_t links[2]; /* of the first handler and of the second */
} signal_chains[PTK_SIGNAL_CHAIN_NUMBERS];

/* Held while a link or a disposition changes; never by a handler. */
static atomic_flag chain_lock = ATOMIC_FLAG_INIT;

static void chain_handle_first(int signal_number, siginfo_t *info, void *context);
static void chain_handle_again(int signal_number, siginfo_t *info, void *context);

/* --- dispositions --- */

static bool chain_is(const struct sigaction *action, chain_informed_t handler) {
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == handler;
}

static bool chain_has_handler(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) != 0 ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Returns whether a handler of ptk's is the current disposition. Async-signal-safe. */
static bool chain_is_current(int signal_number, chain_informed_t handler) {
    struct sigaction current;
    return ptk_sys_real.signal_action(signal_number, NULL, &current) == 0 && chain_is(&current, handler);
}

/* Both pointers are cleared first: a handler that runs meanwhile calls one or none. */
static void chain_set_link(chain_link_t *link, const struct sigaction *earlier) {
    bool informed = (earlier->sa_flags & SA_SIGINFO) != 0;
    bool plain = !informed && chain_has_handler(earlier);
    link->earlier = *earlier;
    atomic_store(&link->plain, NULL);
    atomic_store(&link->informed, NULL);
    atomic_store(&link->is_default, !informed && earlier->sa_handler == SIG_DFL);
    if (informed) {
        atomic_store(&link->informed, earlier->sa_sigaction);
    } else if (plain) {
        atomic_store(&link->plain, earlier->sa_handler);
    }
}

/* --- the handlers --- */

/* Returns whether any user is to be called. */
static bool chain_is_active(int signal_number) {
    for (int user = 0; user < PTK_SIGNAL_CHAIN_USERS; user++) {
        if (atomic_load(&signal_chains[signal_number].deliver[user])) {
            return true;
        }
    }
    return false;
}

static void chain_deliver(int signal_number, void *context) {
    for (int user = 0; user < PTK_SIGNAL_CHAIN_USERS; user++) {
        ptk_signal_deliver_fn deliver = atomic_load(&signal_chains[signal_number].deliver[user]);
        if (deliver) {
            deliver(signal_number, context);
        }
    }
}

/* Calls the earlier handler; false if there is none. */
static bool chain_call(chain_link_t *link, int signal_number, siginfo_t *info, void *context) {
    chain_informed_t informed = atomic_load(&link->informed);
    chain_plain_t plain = atomic_load(&link->plain);
    if (informed) {
        informed(signal_number, info, context);
    } else if (plain) {
        plain(signal_number);
    }
    return informed || plain;
}

/* Lets the default disposition act, if ptk's handler stands in its place without a subscription. The signal
 * is blocked here, so it acts when the handler returns. */
static void chain_act_by_default(int signal_number, chain_informed_t handler) {
    if (!chain_is_active(signal_number) && chain_is_current(signal_number, handler)) {
        const struct sigaction action = {.sa_handler = SIG_DFL};
        ptk_sys_real.signal_action(signal_number, &action, NULL);
        ptk_sys_real.signal_raise(signal_number);
    }
}

static void chain_handle(int signal_number, chain_informed_t handler, siginfo_t *info, void *context) {
    int saved_errno = errno;
    bool is_first = handler == chain_handle_first;
    chain_link_t *link = &signal_chains[signal_number].links[is_first ? 0 : 1];
    bool delivers = !is_first || atomic_load(&signal_chains[signal_number].level) < 2 ||
                    chain_is_current(signal_number, handler);
    if (delivers) {
        chain_deliver(signal_number, context);
    }
    if (!chain_call(link, signal_number, info, context) && atomic_load(&link->is_default)) {
        chain_act_by_default(signal_number, handler);
    }
    errno = saved_errno;
}

static void chain_handle_first(int signal_number, siginfo_t *info, void *context) {
    chain_handle(signal_number, chain_handle_first, info, context);
}

static void chain_handle_again(int signal_number, siginfo_t *info, void *context) {
    chain_handle(signal_number, chain_handle_again, info, context);
}

/* --- install and remove --- */

/* Installs a handler over `current`. It runs on the alternate stack if there is one: a green thread's stack
 * may be too small for a signal frame. It blocks what the earlier handler blocks, and leaves children as they
 * were treated before. */
static int chain_install_over(int signal_number, int level, const struct sigaction *current) {
    const int inherited = SA_NOCLDSTOP | SA_NOCLDWAIT;
    struct sigaction action = {.sa_flags =
                                   SA_SIGINFO | SA_RESTART | SA_ONSTACK | (current->sa_flags & inherited)};
    action.sa_sigaction = level == 1 ? chain_handle_first : chain_handle_again;
    action.sa_mask = current->sa_mask;
    chain_set_link(&signal_chains[signal_number].links[level - 1], current);
    atomic_store(&signal_chains[signal_number].level, level);
    return ptk_sys()->signal_action(signal_number, &action, NULL);
}

/* Returns the level at which a handler of ptk's is current, 0 if none is. */
static int chain_level_of(const struct sigaction *current) {
    return chain_is(current, chain_handle_first) ? 1 : chain_is(current, chain_handle_again) ? 2 : 0;
}

/* Makes a handler of ptk's the current one, unless one is, or lies below a later one already. A disposition
 * that is no handler calls nothing: then none of ptk's handlers is below it any more. */
static int chain_install(int signal_number) {
    struct sigaction current = {.sa_handler = SIG_DFL};
    int result = ptk_sys()->signal_action(signal_number, NULL, &current);
    if (result < 0) {
        return result;
    }
    int level_before = atomic_load(&signal_chains[signal_number].level);
    int level = chain_level_of(&current);
    if (level > 0) {
        atomic_store(&signal_chains[signal_number].level, level);
        return 0;
    }
    if (chain_has_handler(&current) && level_before == 2) {
        return 0;
    }
    bool is_below = chain_has_handler(&current) && level_before == 1;
    result = chain_install_over(signal_number, is_below ? 2 : 1, &current);
    if (result < 0) {
        atomic_store(&signal_chains[signal_number].level, level_before);
    }
    return result;
}

/* Restores what ptk's handler replaced, if that is the current one. */
static void chain_remove(int signal_number) {
    struct sigaction current;
    if (ptk_sys()->signal_action(signal_number, NULL, &current) < 0) {
        return;
    }
    int level = chain_level_of(&current);
    if (level > 0) {
        ptk_sys()->signal_action(signal_number, &signal_chains[signal_number].links[level - 1].earlier, NULL);
        atomic_store(&signal_chains[signal_number].level, level - 1);
    }
}

static void chain_take_lock(void) {
    while (atomic_flag_test_and_set(&chain_lock)) {
        ptk_sys_real.thread_yield();
    }
}

/* `deliver` is set before a handler is installed, so that no arrival is lost between the two. */
int ptk_signal_chain_install(int signal_number, ptk_signal_chain_user_t user, ptk_signal_deliver_fn deliver) {
    ptk_assert(signal_number > 0 && signal_number < PTK_SIGNAL_CHAIN_NUMBERS);
    chain_take_lock();
    ptk_signal_deliver_fn before = atomic_exchange(&signal_chains[signal_number].deliver[user], deliver);
    int result = chain_install(signal_number);
    if (result < 0) {
        atomic_store(&signal_chains[signal_number].deliver[user], before);
    }
    atomic_flag_clear(&chain_lock);
    return result;
}

void ptk_signal_chain_remove(int signal_number, ptk_signal_chain_user_t user) {
    chain_take_lock();
    atomic_store(&signal_chains[signal_number].deliver[user], NULL);
    if (!chain_is_active(signal_number)) {
        chain_remove(signal_number);
    }
    atomic_flag_clear(&chain_lock);
}

void ptk_signal_chain_reset_after_fork(void) {
    atomic_flag_clear(&chain_lock);
}
