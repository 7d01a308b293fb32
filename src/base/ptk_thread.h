/* SPDX-License-Identifier: MIT */
/*
 * The thread block: all of ptk's thread-local state, in one place (layer 0).
 *
 * There is one block per OS thread and one pointer to the block in use; NULL means the thread's own. The
 * simulator swaps that pointer to make the thread act as another host. Everything above asks "which loop am I
 * on", "which system table", "where do errors go" here, and nowhere else. Green threads never migrate, so the
 * compiler may cache the block's address across a switch.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <ptk_err.h>

struct ptk_event_loop_platform;
struct ptk_choice_oracle;
struct ptk_observer;
struct ptk_platform_ops;
struct ptk_sim_kernel;

/* Where a failed call leaves its reason. */
typedef struct ptk_error_slot {
    ptk_err err;
    ptk_err cause;
    int32_t os_err;
    size_t count;
} ptk_error_slot_t;

typedef struct ptk_thread_block {
    struct ptk_event_loop_platform *loop;    /* the live loop of this thread, NULL if it has none */
    void *scheduler;                         /* layer 3's state of that loop, NULL until it is attached */
    ptk_error_slot_t *errors;                /* the slot in use, NULL: own_errors; repointed at each switch */
    ptk_error_slot_t *(*locate)(void);       /* with foreign coroutines: finds the slot; NULL otherwise */
    const ptk_sys_t *sys;                    /* NULL: the real one */
    struct ptk_choice_oracle *oracle;        /* NULL: every choice is 0 */
    struct ptk_observer *observer;           /* of green threads, beside an oracle; NULL: nobody */
    const struct ptk_platform_ops *platform; /* every loop's here, whatever was asked for; NULL: the usual */
    struct ptk_sim_kernel *kernel;           /* of the simulated host that the thread acts as; NULL: none */
    ptk_error_slot_t own_errors;
    uint32_t loop_tag; /* of `loop`, PTK_LOOP_TAG_NONE without one */
    bool forked; /* this process was forked from one whose loop stood here: objects of that loop answer FORKED
                  */
} ptk_thread_block_t;

_Static_assert(sizeof(ptk_thread_block_t) <= 128, "the thread block fits into two cache lines");

extern _Thread_local ptk_thread_block_t ptk_thread_own;
extern _Thread_local ptk_thread_block_t *ptk_thread_in_use;

/* The block in use. */
static inline ptk_thread_block_t *ptk_thread(void) {
    return ptk_thread_in_use ? ptk_thread_in_use : &ptk_thread_own;
}

/* The system table in use. */
static inline const ptk_sys_t *ptk_sys(void) {
    const ptk_sys_t *sys = ptk_thread()->sys;
    return sys ? sys : &ptk_sys_real;
}

/* The error slot of the running green thread, or of the OS thread. Never NULL. */
ptk_error_slot_t *ptk_error_slot(void);

/* Write a failure into that slot; a success leaves it as it is. */
void ptk_record_failure(ptk_error_slot_t failure);

/* Record a failure and answer it, so that `return ptk_fail(PTK_ERR_BUSY);` reads well. ptk_fail clears the
 * rest. */
static inline ptk_err ptk_fail(ptk_err err) {
    ptk_record_failure((ptk_error_slot_t) {.err = err});
    return err;
}

static inline ptk_err ptk_fail_os(ptk_err err, int os_err) {
    ptk_record_failure((ptk_error_slot_t) {.err = err, .os_err = os_err < 0 ? -os_err : os_err});
    return err;
}

static inline ptk_err ptk_fail_count(ptk_err err, ptk_err cause, size_t count) {
    ptk_record_failure((ptk_error_slot_t) {.err = err, .cause = cause, .count = count});
    return err;
}

/* ptk_fail_os(ptk_err_from_os(e), e). */
ptk_err ptk_fail_errno(int os_err);
