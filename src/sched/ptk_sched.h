/* SPDX-License-Identifier: MIT */
/*
 * The records of the scheduler (layer 3, internal). Each .c file of this folder has a header of its own for
 * its functions; this one has the records that they share, and how to find the running green thread.
 *
 *     ptk_task_t       a green thread while it lives: context, wait record, timer, implicit scope
 *     ptk_green_t      its handle, which users name by a token: lives on until it is joined or detached
 *     ptk_wait_t       one thing that a green thread waits for: in its task, or, where it waits for several
 *                      things, on its stack
 *     ptk_timer_t      a point in time at which a function is to be called
 *     ptk_scope_t      a cancellation scope
 *     ptk_scheduler_t  one per loop: run queue, timers, tasks, stacks, the tables of tokens
 *
 * The loop's thread owns all of them. A task goes through these states:
 *
 *     FREE  --spawn-->  READY  --park-->  PARKED  --wake-->  READY  --end-->  FREE
 *
 * The running green thread is READY and in no queue.
 */
#pragma once

#include "base/ptk_heap.h"
#include "base/ptk_list.h"
#include "base/ptk_queue.h"
#include "base/ptk_slab.h"
#include "base/ptk_token.h"
#include "context/ptk_context.h"
#include "context/ptk_cxx.h"
#include "context/ptk_stack.h"
#include "platform/ptk_event_loop_platform_impl.h"
#include "sched/ptk_watchdog.h"
#include <ptk_foreign.h>
#include <ptk_green.h>
#include <ptk_scheduler.h>

typedef struct ptk_task ptk_task_t;
typedef struct ptk_scheduler ptk_scheduler_t;
typedef struct ptk_timer ptk_timer_t;

/* A wake code that never leaves ptk: the operation is to be submitted again. */
#define PTK_WAKE_RETRY ((ptk_err) - 1)

/* The time at which a call gives up. Relative until a clock reading fixes its base, which happens once. */
typedef struct ptk_deadline {
    enum {
        PTK_DEADLINE_NOW, /* the call tries once and does not park */
        PTK_DEADLINE_RELATIVE,
        PTK_DEADLINE_ABSOLUTE,
        PTK_DEADLINE_NEVER
    } kind;
    uint64_t ns; /* RELATIVE: a duration; ABSOLUTE: a reading of the clock; else not used */
} ptk_deadline_t;

/* The states of a timer; their model stands at the top of ptk_timer.c. */
enum {
    PTK_TIMER_IDLE,   /* not armed */
    PTK_TIMER_NEW,    /* in the list of new timers, until the next clock reading */
    PTK_TIMER_IN_HEAP /* in the heap, with an absolute deadline */
};

/* A timer, embedded in its owner's struct. The owner has reserved room for it in the heap. */
struct ptk_timer {
    ptk_heap_item_t heap; /* IN_HEAP: its place there */
    uint8_t state;
    bool relative;        /* NEW: value_ns is a duration that begins with the next clock reading */
    ptk_list_node_t link; /* NEW: in ptk_scheduler_t.new_timers */
    uint64_t value_ns;    /* duration or deadline; stays readable when the timer is idle again */
    void (*expire)(ptk_scheduler_t *scheduler, ptk_timer_t *timer); /* called with the timer idle */
};

/* A scope in the stack of scopes that a task has: the implicit one, a user's shield, or that of
 * ptk_green_end. */
typedef struct ptk_scope {
    struct ptk_scope *outer; /* NULL: the implicit scope of a green thread */
    ptk_task_t *task;        /* whose scope it is */
    ptk_timer_t timer;       /* armed: the scope is cancelled when it expires */
    uint8_t cause;           /* ptk_cancel_cause_t; other than NONE: cancelled for ever */
    bool is_shield;          /* hides what comes from outer scopes */
    bool is_allocated;       /* ptk's memory, freed when the scope ends */
    bool has_reservation;    /* holds room in the heap for `timer`, returned when the scope ends */
} ptk_scope_t;

/* The kind of a wait for the end of another green thread; its object is the token of that one's handle. */
#define PTK_WAIT_KIND_JOIN "join"

/* One thing that a green thread waits for. While it is parked, ptk_wake may be called with any of its
 * records.
 */
typedef struct ptk_wait {
    ptk_list_node_t
        link; /* in a queue of waiters: an event counter's, a gate's, a handle's joiners; or in none */
    ptk_task_t *task;   /* the waiter */
    ptk_event_op_t *op; /* the operation it waits for, whose `waiter` is this record; or NULL */
    const char *kind;   /* for the dump: "recv", "timer", "join", ...; a static string */
    const void *object; /* for the dump, and what ptk_wait_queue_wake_object looks for */
    uint64_t count;     /* set by an event counter: the events that it hands over. Of a wait set's record in a
                           gate's queue, set before the wait: the event (READ or WRITE) whose gate it is */
} ptk_wait_t;

/* The states of a task, as at the top of this file. */
enum { PTK_TASK_FREE, PTK_TASK_READY, PTK_TASK_PARKED };

/* The bits of `unusual`: why a call or a switch of this task takes the longer way; 0: it does not. */
#define PTK_TASK_CANCELED 0x01u /* an unmasked cancel: calls that may park return CANCELED */
#define PTK_TASK_FOREIGN  0x02u /* a coroutine of another library */
#define PTK_TASK_FP       0x04u /* it has floating-point control words of its own */
#define PTK_TASK_CXX      0x08u /* it has exceptions of C++ of its own */

/* The bits of `flags`. */
#define PTK_TASK_DAEMON              0x01u
#define PTK_TASK_HOOKED              0x02u /* a foreign coroutine that the spawn hook made */
#define PTK_TASK_SUSPENDED           0x04u /* foreign, and not started yet or inside `suspend` */
#define PTK_TASK_BARE                0x08u /* it never got a context */
#define PTK_TASK_EXTERNALLY_WAKEABLE 0x10u /* an event from outside can end its wait: no deadlock */
#define PTK_TASK_NAMED               0x20u /* the log has named it as one that goes on after a cancel */
#define PTK_TASK_RESUMED             0x40u /* foreign: `resume` was called for it, and it has not run since */
#define PTK_TASK_STARTED             0x80u /* HOOKED: its life has begun */

struct ptk_task {
    /* The first cache line: all that a switch touches. */
    ptk_queue_node_t run_link; /* READY: in the run queue; FREE: in the list of idle or of spent tasks */
    ptk_context_t context;     /* not of a foreign coroutine */
    ptk_err wake_code;         /* the result of its last wait */
    uint32_t unusual;          /* PTK_TASK_CANCELED, ... */
    uint8_t state;             /* PTK_TASK_FREE, ... */
    uint8_t flags;             /* PTK_TASK_DAEMON, ... */
    bool keeps_stack;          /* from one life to the next, with the context on it */
    uint32_t refusals;         /* calls refused since its cancel, or since it parked last; see ptk_park.c */
    ptk_green_t *handle;       /* while it lives; its result goes there */
    ptk_scope_t *scope;        /* the innermost */
    ptk_error_slot_t errors;   /* what ptk_get_err() reads */

    ptk_scheduler_t *scheduler;
    ptk_wait_t wait;            /* the record of a wait for one thing */
    ptk_wait_t *woken_by;       /* the record that ended the last wait */
    ptk_wait_t *waits;          /* a wait for several things: its records, on its stack; else NULL */
    ptk_wait_t *gate_waits;     /* such a wait's second records, as many; NULL: it has none */
    uint64_t since_ns;          /* parked since; of the last clock reading before */
    ptk_timer_t timer;          /* the timeout of the call that is parked; else idle */
    ptk_scope_t implicit_scope; /* the outermost */
    ptk_list_node_t living;     /* in ptk_scheduler_t.living */
    union {
        struct {
            ptk_green_fn fn;
            void *arg;
        } start; /* until it runs */
        struct {
            size_t waits_count; /* length of `waits` */
            uint32_t ready;     /* PTK_EVENT_* of its last successful wait */
        } run;
    } u;
    uint64_t last_count;     /* of its last successful wait */
    ptk_stack_label_t label; /* its name, or its handle's copy of one, and where it was spawned */
    void *stack_low;         /* of a foreign coroutine: the coroutine itself */
    void *stack_high;
    ptk_stack_slot_t *slot;         /* NULL: the caller's own stack, or foreign */
    struct ptk_green_local *locals; /* newest first; owned */
};

/* A handle. It is freed by join, by detach of an ended green thread, or by the end of a detached one. */
struct ptk_green {
    ptk_token_head_t head;
    ptk_task_t *task;   /* NULL once it has ended */
    ptk_list_t joiners; /* wait records: one at most */
    const char *name;   /* a static string, or the copy */
    char *name_copy;    /* owned; NULL: no name was given */
    void *user;         /* the user's pointer */
    ptk_err result;     /* once it has ended: what the body returned */
    int line;           /* once it has ended: where it was spawned, and `file` */
    const char *file;
    bool detached; /* its holder's calls are refused */
    bool joining;  /* a green thread is inside join: no other may join or detach */
};

/* The tables of the layers above, one per kind of object. Ended with the loop in reverse order: a socket's
 * waitables end before the table of waitables does. */
typedef enum ptk_service_id {
    PTK_SERVICE_WAITABLES,
    PTK_SERVICE_SOCKETS,
    PTK_SERVICE_COUNT
} ptk_service_id_t;

typedef struct ptk_service {
    ptk_token_table_t table;                  /* empty and without slots while not in use */
    void (*fini)(ptk_scheduler_t *scheduler); /* ends the living objects; NULL: not in use yet */
} ptk_service_t;

/* How much may be done before the clock is read again: 1 after each tick, more while it costs little. */
typedef struct ptk_portion {
    uint32_t size;
    uint64_t since_ns; /* the reading that granted it */
} ptk_portion_t;

/* When idle memory is returned to the system: the model stands at the top of ptk_trim.c. */
typedef struct ptk_trim {
    uint32_t idle_count;   /* length of `idle` */
    uint32_t idle_least;   /* the lowest idle_count since the period began */
    uint32_t idle_surplus; /* idle tasks to be freed by the present pass */
    bool runs;             /* a pass is under way */
    uint64_t due_ns;       /* end of the period */
} ptk_trim_t;

struct ptk_scheduler {
    ptk_queue_t run_queue;     /* READY tasks but for the running one, by run_link */
    ptk_task_t *current;       /* the running one; NULL outside run and poll, and with foreign coroutines */
    ptk_inbox_t *inbox;        /* the loop's */
    ptk_thread_block_t *block; /* of the loop's thread or simulated host */
    int *errno_place;          /* the thread's errno */
    uint64_t switches;         /* to green threads */
    uint64_t reading_at;       /* the clock is read at the pick that would be this switch */

    uint64_t quota;          /* picks beyond reading_at until the main context is due */
    uint32_t budget;         /* operations that may still end without parking before the clock is read */
    ptk_fp_words_t fp_words; /* the floating-point control words of every green thread without PTK_GREEN_FP */
    bool ticks_when_due; /* run: the main context is picked when a tick is due; poll: when the quota is used
                            up */
    bool active;         /* inside run, poll or the drain of destroy */
    bool stopping;       /* green threads are cancelled, also each that is spawned */
    bool kicks; /* the loop's descriptor is watched and no call is inside run or poll: a wake must show */
    uint64_t now_ns; /* the last clock reading */
    uint64_t last_tick_ns;
    atomic_uint mark;          /* for the watchdog: counts ticks; lowest bit: the loop is active */
    const ptk_task_t *resumed; /* with hooks: the coroutine inside `resume`; else NULL */
    uint32_t readings;         /* of the clock since then */
    uint32_t granted;          /* operations of the budgets in a row, without a tick or a yield between */
    uint32_t budget_yields;    /* yields that a used-up budget caused */
    ptk_portion_t picks;
    ptk_portion_t operations;
    ptk_list_t new_timers; /* armed since the last reading */
    ptk_heap_t heap;       /* timers that a reading has given their deadline */
    ptk_list_t finished;   /* operations that the platform handed back and that are not delivered yet */
    ptk_service_t services[PTK_SERVICE_COUNT];
    ptk_token_table_t handles;     /* of ptk_green_t */
    ptk_list_t descriptor_waiters; /* wait records of calls that wait until a descriptor is free */
    uint64_t aborts;               /* calls of ptk_waitable_abort so far */

    ptk_task_t main_context; /* the context that called run; only its context, state and errors are used */
    ptk_event_loop_platform_t *loop;
    ptk_list_t living;   /* tasks, from spawn to end */
    ptk_task_t *idle;    /* ended green threads that keep their stacks, linked by run_link */
    ptk_trim_t trim;     /* what of their memory is returned to the system */
    ptk_task_t *spent;   /* ended ones whose stacks are freed as soon as no context stands on them */
    bool keeps_stacks;   /* false under sanitizers and Valgrind, which track every stack that changes hands */
    uint32_t task_count; /* length of `living` */
    uint32_t daemon_count;              /* daemons among them */
    uint32_t canceled_count;            /* of them PTK_TASK_CANCELED */
    uint32_t externally_wakeable_count; /* PARKED tasks with PTK_TASK_EXTERNALLY_WAKEABLE */
    uint32_t idle_timer_count; /* armed timers whose expiry alone wakes no green thread: those of TIMER
                                  waitables */
    ptk_slab_t tasks;          /* the memory of ptk_task_t */
    ptk_stack_pool_t stacks;
    ptk_scheduler_hooks_t hooks; /* of a coroutine library; all NULL without one */
    ptk_task_t *(*find_current)(ptk_scheduler_t *scheduler); /* with hooks; else NULL, like the next three */
    /* Returns whether the running coroutine is a green thread of the spawn hook. */
    bool (*in_spawned)(ptk_scheduler_t *scheduler);
    /* Suspends the running coroutine. It is READY when this returns, cancelled if its library has ended the
     * suspension. */
    void (*leave_coroutine)(ptk_scheduler_t *scheduler, ptk_task_t *self);
    /* Ends the tasks of all coroutines; does nothing and returns false if one is inside ptk. */
    bool (*end_coroutines)(ptk_scheduler_t *scheduler);
    uint32_t resumed_count; /* tasks that are PTK_TASK_RESUMED */
    uint64_t spawned;       /* these four: see ptk_scheduler_counters_t */
    uint64_t timers_armed;
    uint64_t timers_fired;
    uint64_t inbox_messages;
    ptk_cxx_words_t *cxx_place; /* the C++ library's, of this OS thread; NULL: not found yet */
    ptk_cxx_words_t cxx_words;  /* of all contexts without PTK_GREEN_CXX, while one with it runs */
    ptk_watchdog_t watchdog;
};

/* Returns the scheduler of the calling thread's loop, NULL if there is no loop, or if no call on it has
 * needed a scheduler yet. Only in a simulation is a block other than the thread's own in use. */
static inline ptk_scheduler_t *ptk_scheduler_here(void) {
    return ptk_unlikely(ptk_thread_in_use != NULL) ? ptk_thread_in_use->scheduler : ptk_thread_own.scheduler;
}

/* Returns the task of the running green thread, NULL outside one. */
static inline ptk_task_t *ptk_scheduler_current(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(scheduler->find_current != NULL)) {
        return scheduler->find_current(scheduler);
    }
    return scheduler->current;
}

/* Returns the task of the calling thread's running green thread, NULL outside one. */
static inline ptk_task_t *ptk_task_current(void) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return scheduler ? ptk_scheduler_current(scheduler) : NULL;
}

/* Returns why the calling thread has no running green thread: NOT_GREEN, or FORKED in a forked child that
 * still is where the parent's green thread was and has no loop of its own. */
static inline ptk_err ptk_not_green(void) {
    const ptk_thread_block_t *block = ptk_thread();
    return block->forked && !block->loop ? PTK_ERR_FORKED : PTK_ERR_NOT_GREEN;
}

/* Marks a tick for the watchdog. Only the loop's thread writes the mark. */
static inline void ptk_mark_active(ptk_scheduler_t *scheduler) {
    unsigned mark = atomic_load_explicit(&scheduler->mark, memory_order_relaxed);
    atomic_store_explicit(&scheduler->mark, (mark + 2) | 1u, memory_order_relaxed);
}

/* Marks the loop as one that waits in its poller, or is outside run and poll. */
static inline void ptk_mark_idle(ptk_scheduler_t *scheduler) {
    unsigned mark = atomic_load_explicit(&scheduler->mark, memory_order_relaxed);
    atomic_store_explicit(&scheduler->mark, (mark + 2) & ~1u, memory_order_relaxed);
}
