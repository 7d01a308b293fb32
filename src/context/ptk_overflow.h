/* SPDX-License-Identifier: MIT */
/*
 * The stack-overflow report (layer 1): a SIGSEGV/SIGBUS handler on an alternate stack that prints
 *
 *     ptk: stack overflow in green thread "NAME" (stack of N bytes, spawned at FILE:LINE)
 *
 * when the faulting address lies in a guard page of ptk's, and then lets the process die as it would have: an
 * earlier handler is called, else the default disposition acts on the same fault. Other faults go straight to
 * the earlier one.
 */
#pragma once

/* For a thread that is to run green threads: the process-wide handler (first time only), and this thread's
   alternate stack. Answers a cookie for ptk_overflow_thread_fini (NULL is a valid cookie). Failing to install is
   logged, not fatal. */
void *ptk_overflow_thread_init(void);
void ptk_overflow_thread_fini(void *cookie);
