/* SPDX-License-Identifier: MIT */
/*
 * What readiness platforms share (layer 2): registrations, and operations as "try, else wait for readiness".
 * The model stands at the top of ptk_readiness.c.
 */
#pragma once

#include "platform/ptk_platform.h"

#define PTK_REGISTRATION_NONE UINT32_MAX

/* One handle as the kernel's poller knows it. */
typedef struct ptk_registration {
    ptk_event_source_t *sources; /* one if OWNED; all that share the handle if FOREIGN; NULL: free */
    ptk_os_handle_t handle;
    uint32_t generation; /* changes when the place is freed: a stale event of an earlier user is seen and
                            dropped */
    uint32_t next_free;
    bool superseded; /* FOREIGN: its owner closed the number, and ptk has it now */
    uint32_t armed;  /* interest that the kernel has now; what the bits mean is the platform's */
} ptk_registration_t;

typedef struct ptk_readiness ptk_readiness_t;

struct ptk_readiness {
    struct ptk_event_loop_platform loop;
    ptk_registration_t *registrations;
    uint32_t count; /* places ever used */
    uint32_t capacity;
    uint32_t first_free;
    uint32_t *by_handle; /* FOREIGN: handle -> registration, PTK_REGISTRATION_NONE if none */
    size_t by_handle_count;
    /* The platform's part: tell the kernel what `registration` is interested in now; drop it; room for
     * `capacity`. */
    int (*interest)(ptk_readiness_t *self, uint32_t index, uint32_t interest);
    void (*forget)(ptk_readiness_t *self, uint32_t index);
    bool (*grow)(ptk_readiness_t *self, uint32_t capacity);
};

void ptk_readiness_open(ptk_readiness_t *self);
void ptk_readiness_shut(ptk_readiness_t *self);

/* The functions of the contract. */
int ptk_readiness_attach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);
void ptk_readiness_detach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);
void ptk_readiness_set_handle(ptk_event_loop_platform_t *loop, ptk_event_source_t *source,
                              ptk_os_handle_t handle);
ptk_event_op_state_t ptk_readiness_submit(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);
bool ptk_readiness_cancel(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);

/* The kernel reports `ready` (PTK_READY_*) for a registration: operations that wait for it go to `finished`
 * as RETRY. */
void ptk_readiness_deliver(ptk_readiness_t *self, uint32_t index, uint32_t ready, ptk_list_t *finished);

/* One attempt at an operation through ptk_sys: the result, or -EAGAIN. In ptk_posix_sock.c. */
intptr_t ptk_posix_sock_try(ptk_event_op_t *op);
extern const ptk_platform_socket_ops_t ptk_posix_sock_ops;

/* How long from `now_ns` to `deadline_ns`, as the system table's pollers take it: -1 without limit, 0 not at
 * all. */
int64_t ptk_readiness_timeout(uint64_t now_ns, uint64_t deadline_ns);
