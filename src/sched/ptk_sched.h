/* SPDX-License-Identifier: MIT */
/*
 * The records of the scheduler (layer 3, internal). This header declares no function of a .c file: each of
 * them has a header of its own.
 *
 *     ptk_task_t       a green thread while it lives: context, wait record, timer, implicit scope
 *     ptk_green_t      its handle: lives on until it is joined, keeps a dead mark afterwards
 *     ptk_wait_t       one thing that a green thread waits for: in its task, or, where it waits for several
 *                      things, on its stack
 *     ptk_timer_t      a point in time at which something is to happen
 *     ptk_scope_t      a cancellation scope
 *     ptk_scheduler_t  one per loop: run queue, timers, slabs, stacks
 */
#pragma once

#include "base/ptk_heap.h"
#include "base/ptk_list.h"
#include "base/ptk_queue.h"
#include "base/ptk_slab.h"
#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "platform/ptk_event_loop_platform_impl.h"
#include <ptk_green.h>
#include <ptk_scheduler.h>

typedef struct ptk_task ptk_task_t;
typedef struct ptk_scheduler ptk_scheduler_t;
typedef struct ptk_timer ptk_timer_t;

/* A wake code that never leaves ptk: submit the operation again. */
#define PTK_WAKE_RETRY ((ptk_err) - 1)

/* --- deadlines and timers --- */

/* When a call gives up. Relative until a clock reading fixes its base, which happens once. */
typedef struct ptk_deadline {
    enum { PTK_DEADLINE_NOW, PTK_DEADLINE_RELATIVE, PTK_DEADLINE_ABSOLUTE, PTK_DEADLINE_NEVER } kind;
    uint64_t ns;
} ptk_deadline_t;

enum { PTK_TIMER_IDLE, PTK_TIMER_NEW, PTK_TIMER_IN_HEAP };

struct ptk_timer {
    ptk_heap_item_t heap;
    uint8_t state;
    bool relative;        /* NEW: value_ns is a duration from the next clock reading on */
    ptk_list_node_t link; /* NEW: in the list of new timers */
    uint64_t value_ns;    /* duration or deadline; stays readable when the timer is idle again */
    void (*expire)(ptk_scheduler_t *scheduler, ptk_timer_t *timer);
};

/* --- scopes --- */

typedef struct ptk_scope {
    struct ptk_scope *outer; /* NULL: the implicit scope of a green thread */
    ptk_task_t *task;
    ptk_timer_t timer; /* its deadline */
    uint8_t cause;     /* ptk_cancel_cause_t; not NONE: cancelled, for ever */
    bool is_shield;    /* hides what comes from outer scopes */
    bool has_reservation;
} ptk_scope_t;

/* --- waiting --- */

typedef struct ptk_wait {
    ptk_list_node_t link; /* in the queue of what it waits for */
    ptk_task_t *task;
    ptk_event_op_t *op; /* the operation it waits for, or NULL */
    const char *kind;   /* for the dump: "recv", "timer", "join", ... */
    const void *object;
    uint64_t count; /* what a latch handed over */
} ptk_wait_t;

enum { PTK_TASK_FREE, PTK_TASK_READY, PTK_TASK_PARKED };

/* More than PTK_SPAWN_*: what a control block is. */
#define PTK_TASK_HOOKED              0x04u /* a foreign coroutine that the spawn hook made */
#define PTK_TASK_SUSPENDED           0x10u /* foreign, and not started yet or inside `suspend` */
#define PTK_TASK_BARE                0x20u /* it never got a context */
#define PTK_TASK_FOREIGN             0x40u /* a coroutine of another library's */
#define PTK_TASK_EXTERNALLY_WAKEABLE 0x80u /* its wait can end by an event from outside: no deadlock */

struct ptk_task {
    /* The first cache line: all that a switch touches. */
    ptk_queue_node_t run_link;
    ptk_context_t context;
    ptk_err wake_code;
    uint8_t state;
    uint8_t flags;
    bool cancel_pending; /* an unmasked cancel: calls that may park answer CANCELED */
    bool keeps_stack;    /* from one life to the next, with the context on it */
    ptk_green_t *handle;
    ptk_scope_t *scope; /* the innermost */
    ptk_error_slot_t errors;

    ptk_scheduler_t *scheduler;
    ptk_wait_t wait;
    ptk_wait_t *woken_by;
    ptk_wait_t *waits; /* a wait for several things: its records; else NULL */
    uint64_t since_ns; /* parked since */
    ptk_timer_t timer; /* the timeout of the call that is parked */
    ptk_scope_t implicit_scope;
    ptk_list_node_t living;
    union {
        struct {
            ptk_green_fn fn;
            void *arg;
        } start; /* until it runs */
        struct {
            size_t waits_count;
            uint32_t ready; /* of its last successful wait */
        } run;
    } u;
    uint64_t last_count;
    ptk_stack_label_t label;
    void *stack_low; /* foreign: the coroutine */
    void *stack_high;
    ptk_stack_slot_t *slot; /* NULL: the caller's own stack, or foreign */
    struct ptk_green_local *locals;
};

enum { PTK_GREEN_DEAD, PTK_GREEN_LIVING, PTK_GREEN_ENDED };

struct ptk_green {
    ptk_queue_node_t slab_link;
    ptk_event_loop_platform_t *loop;
    ptk_task_t *task; /* NULL once it has ended */
    ptk_list_t joiners;
    const char *name; /* a static string, or the copy */
    char *name_copy;
    ptk_err result;
    uint8_t state;
    bool detached;
    bool joining; /* somebody is inside join: nobody else may join or detach */
};

/* Per-loop state of the layers above, freed with the loop in reverse order. */
typedef enum ptk_service_id {
    PTK_SERVICE_WAITABLES,
    PTK_SERVICE_SOCKETS,
    PTK_SERVICE_COUNT
} ptk_service_id_t;

typedef struct ptk_service {
    void *state;
    void (*fini)(ptk_scheduler_t *scheduler, void *state);
} ptk_service_t;

struct ptk_scheduler {
    ptk_queue_t run_queue;
    ptk_task_t *current; /* NULL outside run and poll, and with foreign coroutines */
    ptk_inbox_t *inbox;
    ptk_thread_block_t *block;
    int *errno_place;
    uint64_t switches;   /* to green threads */
    uint64_t reading_at; /* the clock is read at the pick that would be this switch */

    uint64_t quota;          /* picks beyond reading_at until the root is due */
    uint32_t budget;         /* operations that may still end without parking before calls yield first */
    ptk_fp_words_t fp_words; /* the floating-point control words of every green thread without PTK_GREEN_FP */
    bool ticks_when_due; /* the root is due whenever the tick is (run); else only when the quota is used up
                         (poll) */
    bool active;         /* inside run or poll */
    bool stopping;
    bool kicks; /* somebody outside watches the loop's descriptor and nobody is inside: a wake must show */
    uint64_t now_ns; /* the last clock reading */
    uint64_t last_tick_ns;
    uint32_t readings; /* of the clock since then */
    ptk_list_t new_timers;
    ptk_heap_t heap;
    ptk_list_t finished; /* operations that the platform handed back and that are not delivered yet */

    ptk_task_t main_context; /* the context that called run */
    ptk_event_loop_platform_t *loop;
    ptk_list_t living;
    ptk_task_t *idle;  /* ended green threads that keep their stacks, linked by run_link */
    ptk_task_t *spent; /* ended ones whose stacks must be given back once nobody stands on them */
    bool keeps_stacks; /* false under sanitizers and Valgrind: they are told of every stack that changes hands
                        */
    uint32_t live;
    uint32_t daemons;
    ptk_task_t *externally_wakeable; /* found not to be deadlocked the last time: asked first */
    ptk_slab_t tasks;
    ptk_slab_t handles;
    ptk_stack_pool_t stacks;
    ptk_scheduler_hooks_t hooks;
    ptk_task_t *(*find_current)(ptk_scheduler_t *scheduler); /* with hooks; else NULL */
    ptk_service_t services[PTK_SERVICE_COUNT];
    uint64_t spawned;
    uint64_t timers_armed;
    uint64_t timers_fired;
    uint64_t inbox_messages;
};

/* The scheduler of the calling thread's loop, or NULL. Only a simulation has another block in use. */
static inline ptk_scheduler_t *ptk_scheduler_here(void) {
    return ptk_unlikely(ptk_thread_in_use != NULL) ? ptk_thread_in_use->scheduler : ptk_thread_own.scheduler;
}

/* The running green thread, NULL outside one. */
static inline ptk_task_t *ptk_scheduler_current(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(scheduler->find_current != NULL)) {
        return scheduler->find_current(scheduler);
    }
    return scheduler->current;
}

static inline ptk_task_t *ptk_task_current(void) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return scheduler ? ptk_scheduler_current(scheduler) : NULL;
}
