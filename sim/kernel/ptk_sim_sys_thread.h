/* SPDX-License-Identifier: MIT */
/* Entries of ptk_sim_sys about other threads: ptk_sim_sys_thread.c. */
#pragma once

#include "sys/ptk_sys.h"

int ptk_sim_sys_thread_start(void (*body)(void *argument), void *argument, uintptr_t *thread_out);
void ptk_sim_sys_thread_join(uintptr_t thread);
uintptr_t ptk_sim_sys_thread_self(void);
void ptk_sim_sys_thread_signal(uintptr_t thread, int signal_number);
void ptk_sim_sys_thread_wait(atomic_uint *word, unsigned value, int64_t timeout_ns);
void ptk_sim_sys_thread_wake(atomic_uint *word);
