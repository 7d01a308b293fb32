/* SPDX-License-Identifier: MIT */
/* Other threads of simulated hosts: there are none. */
#include "sim/kernel/ptk_sim_sys_thread.h"

/* A simulated host has one thread: another one is accepted and never runs. */
int ptk_sim_sys_thread_start(void (*body)(void *argument), void *argument, uintptr_t *thread_out) {
    (void) body, (void) argument;
    *thread_out = 0;
    return 0;
}

void ptk_sim_sys_thread_join(uintptr_t thread) {
    (void) thread;
}

uintptr_t ptk_sim_sys_thread_self(void) {
    return 0;
}

void ptk_sim_sys_thread_signal(uintptr_t thread, int signal_number) {
    (void) thread, (void) signal_number;
}

void ptk_sim_sys_thread_wait(atomic_uint *word, unsigned value, int64_t timeout_ns) {
    (void) word, (void) value, (void) timeout_ns;
}

void ptk_sim_sys_thread_wake(atomic_uint *word) {
    (void) word;
}
