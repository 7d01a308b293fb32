/* SPDX-License-Identifier: MIT */
/*
 * The part that readiness platforms share (layer 2): a table of registrations, and operations as "try, else
 * wait for readiness". The model stands at the top of ptk_readiness.c.
 *
 * A port embeds ptk_readiness_t as the first member of its loop structure, calls ptk_readiness_init in its
 * open and sets the hooks; its poll calls ptk_readiness_deliver for each report of the kernel.
 */
#pragma once

#include "platform/ptk_platform.h"

#define PTK_REGISTRATION_NONE UINT32_MAX

/* One handle as it is registered with the kernel's poller. */
typedef struct ptk_registration {
    uint32_t source_count;     /* 1 if OWNED; of all that share the handle if FOREIGN; 0: free */
    ptk_event_source_t *owned; /* OWNED: the source; else NULL */
    ptk_event_source_t *waiting[PTK_DIRECTIONS]; /* those in which an operation pends, per direction: the
                                                    one that has waited longest, in a ring; NULL: none */
    ptk_os_handle_t handle;
    uint32_t generation; /* grows when the entry is freed, so that a stale event of an earlier user is
                            recognised */
    uint32_t next_free;  /* while free */
    bool superseded;     /* FOREIGN: the handle was closed by its owner and reopened by ptk */
    uint32_t armed;      /* interest that the kernel has now; the meaning of the bits is the port's */
} ptk_registration_t;

typedef struct ptk_readiness ptk_readiness_t;

struct ptk_readiness {
    struct ptk_event_loop_platform loop;
    ptk_registration_t *registrations;
    uint32_t count; /* entries ever used */
    uint32_t capacity;
    uint32_t first_free;
    uint32_t *by_handle; /* FOREIGN: handle -> registration, PTK_REGISTRATION_NONE if none */
    size_t by_handle_count;

    /* The hooks of the port. set_interest gives the kernel the interest (of PTK_READY_ANY) of all
     * sources of a registration, 0 or -errno; interest 0 cannot fail. remove ends a registration before it is
     * freed. grow, which may be NULL, makes room for `capacity` registrations. */
    int (*set_interest)(ptk_readiness_t *self, uint32_t index, uint32_t interest);
    void (*remove)(ptk_readiness_t *self, uint32_t index);
    bool (*grow)(ptk_readiness_t *self, uint32_t capacity);
};

/* Initialises the zeroed table of a loop. Allocates nothing. */
void ptk_readiness_init(ptk_readiness_t *self);

/* Frees the table. No source is attached. */
void ptk_readiness_fini(ptk_readiness_t *self);

/* Six functions of ptk_platform_ops_t, for the port's table; poll_set is for ports without expose. */
int ptk_readiness_attach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);
void ptk_readiness_detach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);
void ptk_readiness_set_handle(ptk_event_loop_platform_t *loop, ptk_event_source_t *source,
                              ptk_os_handle_t handle);
ptk_event_op_state_t ptk_readiness_submit(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);
bool ptk_readiness_cancel(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);
size_t ptk_readiness_poll_set(ptk_event_loop_platform_t *loop, ptk_poll_entry_t *entries, size_t capacity);

/* Cuts the table off from the kernel's poller: in a forked child that poller is the parent's too. Sources are
 * only detached afterwards. */
void ptk_readiness_disown(ptk_event_loop_platform_t *loop);

/* Handles a report of the kernel: `ready` (PTK_READY_*) for a registration in use. Operations that wait for
 * one of these directions are appended to `finished` as RETRY. */
void ptk_readiness_deliver(ptk_readiness_t *self, uint32_t index, uint32_t ready, ptk_list_t *finished);

/* Returns the time from `now_ns` to `deadline_ns` in the form of the system table's pollers: -1: no limit, 0:
 * the deadline has passed. */
int64_t ptk_readiness_timeout(uint64_t now_ns, uint64_t deadline_ns);
