/* SPDX-License-Identifier: MIT */
/*
 * The two records that cross the boundary between the platform and the scheduler (layer 1, internal).
 *
 * A *source* is a persistent registration of one handle. It remembers readiness, and knows the one operation
 * that is pending in each direction.
 *
 * An *operation* is one submission with one end. Its owner fills in what is wanted and submits it; the
 * platform answers DONE (the result is in it) or PENDING. A pending operation belongs to the platform until
 * it comes back from poll: DONE, or, from readiness platforms, RETRY: the platform has let go, and the waiter
 * submits it again on its own stack. While it is pending, nobody but the platform touches it or its buffer.
 *
 *     IDLE --submit--> DONE
 *     IDLE --submit--> PENDING --poll--> RETRY | DONE
 *                      PENDING --cancel--> IDLE        (readiness platforms: at once)
 */
#pragma once

#include "base/ptk_list.h"
#include <ptk_os_net.h>

/* Directions, ready bits and interest. The first three have the values of PTK_EVENT_READ, WRITE and ERROR. */
#define PTK_READY_READ  1u
#define PTK_READY_WRITE 2u
#define PTK_READY_ERROR 4u
/* Latched: a hang-up, an error or an urgent mark was seen, so a short receive does not mean drained. */
#define PTK_READY_UNSURE 8u

typedef enum ptk_event_op_kind {
    PTK_OP_RECV,    /* buffer, bytes -> result: bytes, 0 at the end of the stream */
    PTK_OP_SEND,    /* buffer, bytes -> result: bytes */
    PTK_OP_ACCEPT,  /* addr, addrlen (may be NULL) -> result: the new handle */
    PTK_OP_CONNECT, /* addr, addrlen -> result: 0 */
    PTK_OP_READY,   /* events -> result: the events that are ready; consumes nothing */
} ptk_event_op_kind_t;

typedef enum ptk_event_op_state {
    PTK_OP_IDLE,
    PTK_OP_PENDING,
    PTK_OP_RETRY,
    PTK_OP_DONE,
} ptk_event_op_state_t;

typedef struct ptk_event_op ptk_event_op_t;
typedef struct ptk_event_source ptk_event_source_t;

struct ptk_event_op {
    ptk_list_node_t link; /* in a list of finished operations, between poll and delivery */
    ptk_event_source_t *source;
    void *waiter; /* whoever is to be woken; the platform only carries it */
    uint8_t kind;
    uint8_t state;
    bool nowait;  /* do not pend: answer DONE with -EAGAIN instead */
    bool started; /* CONNECT: the handshake is under way */
    uint32_t events;
    union {
        void *buffer;
        const void *data;
        struct sockaddr *addr;
        const struct sockaddr *target;
    } at;
    size_t bytes;
    socklen_t *addrlen;
    intptr_t result; /* negative: -errno */
};

typedef enum ptk_event_source_mode {
    PTK_SOURCE_OWNED,   /* ptk's own socket: registered once, readiness remembered */
    PTK_SOURCE_FOREIGN, /* somebody else reads behind our back: asked afresh, registered for one park */
} ptk_event_source_mode_t;

struct ptk_event_source {
    ptk_os_handle_t handle;
    ptk_event_op_t *inbound;  /* pending: RECV, ACCEPT, or READY for READ */
    ptk_event_op_t *outbound; /* pending: SEND, CONNECT, or READY for WRITE */
    ptk_event_source_t *next; /* the next source on the same handle (FOREIGN only) */
    uint32_t registration;    /* the platform's */
    uint8_t mode;
    uint8_t ready; /* OWNED: sticky; a clear bit means "would block when last tried" */
    bool attached;
    bool short_means_drained; /* an internet stream with SO_OOBINLINE: see DESIGN of receives in
                                 ptk_readiness.c */
};
