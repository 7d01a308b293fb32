/* SPDX-License-Identifier: MIT */
/*
 * The inside of the scheduler (layer 3, internal): its records, and what the layers above call.
 *
 *     ptk_task_t    a green thread while it lives: context, wait record, timer, implicit scope
 *     ptk_green_t      its handle: lives on until it is joined, keeps a dead mark afterwards
 *     ptk_wait_t       one thing that a green thread waits for: in its control block, or, where it waits
 *                      for several things, on its stack
 *     ptk_timer_t      a point in time at which something is to happen
 *     ptk_scope_t      a cancellation scope
 *     ptk_scheduler_t  one per loop: run queue, timers, slabs, stacks
 *
 * One suspension: ptk_park. One way back: ptk_wake, which takes the waiter off everything it waits for before
 * it makes it runnable.
 */
#pragma once

#include "base/ptk_heap.h"
#include "base/ptk_list.h"
#include "base/ptk_queue.h"
#include "base/ptk_slab.h"
#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "platform/ptk_platform.h"
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

/* A clock reading: new timers get it as their base and enter the heap. */
uint64_t ptk_timer_read_clock(ptk_scheduler_t *scheduler);

/* Let every timer whose deadline has been reached at the last reading expire, in order. */
void ptk_timer_expire_due(ptk_scheduler_t *scheduler);

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

/* Arm an idle timer: link and no more. Its owner has reserved a heap slot. A NEVER deadline arms nothing. */
static inline void ptk_timer_arm(ptk_scheduler_t *scheduler, ptk_timer_t *timer,
                                 const ptk_deadline_t *deadline) {
    ptk_assert(timer->state == PTK_TIMER_IDLE);
    if (deadline->kind == PTK_DEADLINE_NEVER) {
        return;
    }
    timer->state = PTK_TIMER_NEW;
    timer->relative = deadline->kind == PTK_DEADLINE_RELATIVE;
    timer->value_ns = deadline->ns;
    ptk_list_append(&scheduler->new_timers, &timer->link);
}

/* Most timeouts end before the next clock reading: an unlink and no more. */
static inline void ptk_timer_disarm(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    if (ptk_likely(timer->state == PTK_TIMER_NEW)) {
        ptk_list_remove(&timer->link);
    } else if (timer->state == PTK_TIMER_IN_HEAP) {
        ptk_heap_remove(&scheduler->heap, &timer->heap);
    }
    timer->state = PTK_TIMER_IDLE;
}

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

/* Suspend the running green thread until ptk_wake; answers the code it was woken with. Fill in the wait
   record(s) and queue them first. The deadline is updated: once fixed, its base stays. */
ptk_err ptk_park(ptk_task_t *self, ptk_deadline_t *deadline);

/* End the wait that `wait` is (or is one of): off every queue, timer and operation, then to the end of the
 * run queue. */
void ptk_wake(ptk_wait_t *wait, ptk_err code);

/* Take a wait record off what it waits for, without waking anybody. */
void ptk_withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait);

/* Make a green thread runnable that is in no wait (any more). */
static inline void ptk_make_ready(ptk_task_t *task) {
    ptk_scheduler_t *scheduler = task->scheduler;
    task->state = PTK_TASK_READY;
    ptk_queue_push(&scheduler->run_queue, &task->run_link);
    if (ptk_unlikely(scheduler->kicks)) {
        ptk_inbox_kick(scheduler->inbox);
    }
}

/* Run what is runnable, until the tick is due or `quota` picks are used up. From the root. */
void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota);

/* The lives of a control block on its stack; `live` is one. When it has ended, its memory may be reused as
   soon as this has switched away; one that keeps its stack goes on here with its next life. It does not
   return, but is not declared so: AddressSanitizer cleans the stack before each call that does not return,
   and that is wanted where the stack is left and not where it is entered. */
void ptk_run_tasks_on_stack(ptk_task_t *self, void (*live)(ptk_task_t *self));

/* Deliver what other threads and signal handlers sent. */
void ptk_drain_inbox(ptk_scheduler_t *scheduler);

/* The wait record of a plain wait, filled in. */
static inline ptk_wait_t *ptk_wait_plain(ptk_task_t *self, const char *kind, const void *object,
                                         bool externally_wakeable) {
    ptk_assert(self != NULL); /* only a green thread waits */
    self->wait.op = NULL;
    self->wait.kind = kind;
    self->wait.object = object;
    self->flags = (uint8_t) ((self->flags & ~PTK_TASK_EXTERNALLY_WAKEABLE) |
                             (externally_wakeable ? PTK_TASK_EXTERNALLY_WAKEABLE : 0));
    return &self->wait;
}

/* --- a public call that may park --- */

typedef struct ptk_call {
    ptk_scheduler_t *scheduler;
    ptk_task_t *self; /* NULL only with timeout 0 */
    ptk_deadline_t deadline;
    int os_err; /* the system's reason, if the call fails for one */
} ptk_call_t;

/* Calls, and further operations of one call, in one tick before calls yield first. */
#define PTK_BUDGET 128

ptk_deadline_t ptk_deadline_after_ms(uint32_t timeout_ms);

/* Fix a relative deadline now, to compare it with others. */
void ptk_deadline_fix(ptk_deadline_t *deadline);

/* May this call go ahead? `loop` is the object's. OK, or WRONG_THREAD, FORKED, NOT_GREEN, CANCELED; yields
   first if the budget is used up, so look at the object afterwards. */
ptk_err ptk_call_begin(ptk_call_t *call, ptk_event_loop_platform_t *loop, uint32_t timeout_ms);

/* The budget is used up: the clock is read, so that the turn is taken if it is due, and everybody who is
   runnable goes first. OK or CANCELED. */
ptk_err ptk_yield_for_budget(ptk_scheduler_t *scheduler, ptk_task_t *self);

/* An operation's result is -errno: remember it, and answer what it means. */
static inline ptk_err ptk_call_errno(ptk_call_t *call, intptr_t result) {
    call->os_err = (int) -result;
    return ptk_err_from_os(call->os_err);
}

/* The call fails: leave the reason where ptk_get_err() finds it. */
static inline ptk_err ptk_call_fail(const ptk_call_t *call, ptk_err err) {
    return ptk_fail_os(err, call->os_err);
}

/* One call, or one operation of a call that goes on. */
static inline void ptk_call_spend(const ptk_call_t *call) {
    if (call->scheduler->budget > 0) {
        call->scheduler->budget--;
    }
}

/* --- scopes (ptk_cancel.c) --- */

void ptk_scope_init(ptk_scope_t *scope, ptk_task_t *task);

/* Cancel a scope for ever: its green thread's waits end now, unless a shield further in hides it. */
void ptk_scope_cancel(ptk_scope_t *scope, ptk_cancel_cause_t cause);

/* A green thread ends: leave all its scopes, also shields that were left open. */
void ptk_scopes_end(ptk_task_t *task);

/* Cancel every living green thread of the loop. */
void ptk_cancel_all(ptk_scheduler_t *scheduler, ptk_cancel_cause_t cause);

/* --- reports (ptk_dump.c) --- */

void ptk_dump_all(ptk_scheduler_t *scheduler, const char *title);

/* --- the scheduler of a loop (ptk_scheduler.c) --- */

/* Resolve `loop` (NULL: the current one) and attach its scheduler if it has none. WRONG_THREAD, FORKED,
   NO_LOOP, NO_RESOURCES. */
ptk_err ptk_scheduler_attach(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out);

/* For a look with timeout 0: what has come from other threads, and, outside run and poll, what has fallen
 * due. */
void ptk_scheduler_catch_up(ptk_scheduler_t *scheduler);

/* Something fell due or became due outside run and poll: show it on the loop's descriptor, if that is
 * watched. */
void ptk_scheduler_show(ptk_scheduler_t *scheduler);

/* A service's state, made of `state_bytes` zeroed bytes at first use; NULL: out of memory. */
void *ptk_scheduler_service(ptk_scheduler_t *scheduler, ptk_service_id_t id, size_t state_bytes,
                            void (*init)(ptk_scheduler_t *scheduler, void *state),
                            void (*fini)(ptk_scheduler_t *scheduler, void *state));
