/* SPDX-License-Identifier: MIT */
/*
 * The stack-overflow report (layer 1): a SIGSEGV/SIGBUS handler on an alternate stack that prints
 *
 *     ptk: stack overflow in green thread "NAME" (stack of N bytes, spawned at FILE:LINE)
 *
 * when the faulting address is in a guard page of ptk's, and then lets the process end as it would have ended
 * without it: an earlier handler is called, else the default disposition acts on the same fault. Other faults
 * are passed to the earlier handler without a report.
 */
#pragma once

/* Installs the process-wide handler, the first time, and this thread's alternate stack. Called on a thread
 * that is to run green threads. Returns a cookie for ptk_overflow_thread_fini; NULL is a valid cookie. A
 * failure is logged: the loop works without the report. */
void *ptk_overflow_thread_init(void);

/* Removes this thread's alternate stack. The handler stays installed for the process. */
void ptk_overflow_thread_fini(void *cookie);
