/* SPDX-License-Identifier: MIT */
/* Dispositions, masks and alternate stacks of simulated hosts: no real signal is for a host, so they have no
 * effect. And the handlers of forks and of the ends of threads, which a host does not have. The alternate
 * stack is the real thread's. */
#include "sim/kernel/ptk_sim_sys_signal.h"

#include "sys/ptk_sys.h"
#include <errno.h>
#include <signal.h>

#define SYS_LAST_SIGNAL 64 /* Linux's last real-time signal */

/* Signals come from ptk_sim_signal() alone, which uses ptk's own table, so dispositions have no effect.
   Linux refuses to change two signals, and libc keeps two more for itself. */
int ptk_sim_sys_signal_action(int signal_number, const struct sigaction *action, struct sigaction *old_out) {
    (void) old_out;
    bool is_one = signal_number > 0 && signal_number <= SYS_LAST_SIGNAL;
    bool is_fixed = signal_number == SIGKILL || signal_number == SIGSTOP;
    bool is_taken = signal_number == 32 || signal_number == 33;
    return !is_one || is_taken || (action && is_fixed) ? -EINVAL : 0;
}

/* A simulated host has no mask. */
bool ptk_sim_sys_signal_is_blocked(int signal_number) {
    (void) signal_number;
    return false;
}

void ptk_sim_sys_signal_set_blocked(int signal_number, bool blocked) {
    (void) signal_number, (void) blocked;
}

/* Only ptk's handler of real signals raises one. */
void ptk_sim_sys_signal_raise(int signal_number) {
    (void) signal_number;
}

int ptk_sim_sys_signal_stack_install(void **cookie_out) {
    return ptk_sys_real.signal_stack_install(cookie_out);
}

void ptk_sim_sys_signal_stack_remove(void *cookie) {
    ptk_sys_real.signal_stack_remove(cookie);
}

/* A simulated host cannot fork. */
int ptk_sim_sys_at_fork_child(void (*handler)(void)) {
    (void) handler;
    return 0;
}

/* The host's thread is the simulator's, which goes on. */
int ptk_sim_sys_at_thread_exit(void (*handler)(void *argument), void *argument) {
    (void) handler, (void) argument;
    return 0;
}
