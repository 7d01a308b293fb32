/* SPDX-License-Identifier: MIT */
/* The members of the simulated hosts' system table for signals, forks and the ends of threads; contracts:
 * sys/ptk_sys.h. */
#pragma once

#include <stdbool.h>

struct sigaction;

int ptk_sim_sys_signal_action(int signal_number, const struct sigaction *action, struct sigaction *old_out);
bool ptk_sim_sys_signal_is_blocked(int signal_number);
void ptk_sim_sys_signal_set_blocked(int signal_number, bool blocked);
void ptk_sim_sys_signal_raise(int signal_number);
int ptk_sim_sys_signal_stack_install(void **cookie_out);
void ptk_sim_sys_signal_stack_remove(void *cookie);
int ptk_sim_sys_at_fork_child(void (*handler)(void));
int ptk_sim_sys_at_thread_exit(void (*handler)(void *argument), void *argument);
