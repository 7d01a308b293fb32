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

#include <stdbool.h>

/* What was changed in a thread for the report. */
typedef struct ptk_overflow_thread {
    void *stack; /* the alternate stack, NULL: the thread had one, or there is no memory */
    bool blocked_segv;
    bool blocked_bus;
} ptk_overflow_thread_t;

/* Installs the process-wide handler, the first time, gives this thread an alternate stack, and unblocks the
 * signals of faults in it: the kernel ends a process without a handler's report where they are blocked.
 * Called on a thread that is to run green threads. A failure is logged: the loop works without the report. */
void ptk_overflow_thread_init(ptk_overflow_thread_t *thread);

/* Restores what was changed in this thread. The handler stays installed for the process. */
void ptk_overflow_thread_fini(const ptk_overflow_thread_t *thread);
