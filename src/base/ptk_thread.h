/* SPDX-License-Identifier: MIT */
/*
 * The thread block: all of ptk's thread-local state, in one place (layer 0).
 *
 * There is one block per OS thread and one pointer to the block in use; NULL means the thread's own. Swapping
 * that pointer makes the thread act as another host: the loop, the system table, the error slot and the
 * oracle of all code above come from the block in use and from nowhere else. Green threads never move to
 * another OS thread, so the compiler may keep the block's address across a stack switch.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <ptk_err.h>

struct ptk_event_loop_platform;
struct ptk_choice_oracle;
struct ptk_observer;
struct ptk_platform_ops;

/* The reason of the last failed call. One per green thread, and one per thread block. */
typedef struct ptk_error_slot {
    ptk_err err;
    ptk_err cause;  /* what cut a PARTIAL call short, else PTK_OK */
    int32_t os_err; /* positive errno value behind `err`, else 0 */
    size_t count;   /* bytes moved before the failure */
} ptk_error_slot_t;

typedef struct ptk_thread_block {
    struct ptk_event_loop_platform *loop; /* the live loop of this thread, NULL if it has none */
    void *scheduler;                      /* layer 3's state of that loop, NULL until it is attached */
    ptk_error_slot_t *(*locate)(void);    /* layer 3's: returns the slot of the running green thread, NULL
                                             outside one; NULL until a green thread has run */
    const ptk_sys_t *sys;                 /* NULL: the real one */
    struct ptk_choice_oracle *oracle;     /* NULL: every choice is 0 */
    struct ptk_observer *observer;        /* of green threads, only beside an oracle; NULL: none */
    const struct ptk_platform_ops
        *platform; /* every loop here uses it, whatever its options; NULL: as usual */
    void *host;    /* identity of the host that this thread acts as, NULL for the machine itself */
    ptk_error_slot_t own_errors; /* for code outside green threads */
    uint32_t loop_tag;           /* of `loop`, PTK_LOOP_TAG_NONE without one */
    bool forked; /* the parent of this process had its loop in this block: calls on that loop and its objects
                    return FORKED */
} ptk_thread_block_t;

_Static_assert(sizeof(ptk_thread_block_t) <= 128, "the thread block fits into two cache lines");

extern _Thread_local ptk_thread_block_t ptk_thread_own;
extern _Thread_local ptk_thread_block_t *ptk_thread_in_use;

/* Returns the block in use. Never NULL. */
static inline ptk_thread_block_t *ptk_thread(void) {
    return ptk_thread_in_use ? ptk_thread_in_use : &ptk_thread_own;
}

/* Returns the system table in use. Never NULL. */
static inline const ptk_sys_t *ptk_sys(void) {
    const ptk_sys_t *sys = ptk_thread()->sys;
    return sys ? sys : &ptk_sys_real;
}

/* Returns the error slot of the running green thread, or of the OS thread outside one. Never NULL. */
ptk_error_slot_t *ptk_error_slot(void);

/* Writes `failure` into that slot. A success (PTK_OK) leaves the slot as it is. */
void ptk_record_failure(ptk_error_slot_t failure);

/* Records a failure and returns its code, so that `return ptk_fail(PTK_ERR_BUSY);` is one statement. The
 * fields that a function does not take are cleared. */
static inline ptk_err ptk_fail(ptk_err err) {
    ptk_record_failure((ptk_error_slot_t) {.err = err});
    return err;
}

/* The same with a positive or negative errno value. */
static inline ptk_err ptk_fail_os(ptk_err err, int os_err) {
    ptk_record_failure((ptk_error_slot_t) {.err = err, .os_err = os_err < 0 ? -os_err : os_err});
    return err;
}

/* The same with the number of bytes that were moved before the failure, and what caused it. */
static inline ptk_err ptk_fail_count(ptk_err err, ptk_err cause, size_t count) {
    ptk_record_failure((ptk_error_slot_t) {.err = err, .cause = cause, .count = count});
    return err;
}

/* Records the failure that a positive or negative errno value stands for, and returns its code. */
ptk_err ptk_fail_errno(int os_err);
