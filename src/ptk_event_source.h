/* SPDX-License-Identifier: MIT */
/*
 * The two records that cross the boundary between the platform and the scheduler (layer 1, internal).
 *
 * A *source* is the persistent registration of one handle. It remembers readiness, and points at the one
 * operation that is pending in each direction, and for each of the other events.
 *
 * An *operation* is one submission with exactly one completion. Its owner fills in the request and submits
 * it; the platform returns DONE (the operation has its result) or PENDING. A pending operation and its buffer
 * belong to the platform until poll returns it, or until it is cancelled: no other code may touch them. It
 * comes from poll as DONE, or from readiness platforms as RETRY: the platform has released it, and the waiter
 * submits it again on its own stack.
 *
 *     IDLE --submit--> DONE --owner reads the result--> IDLE
 *     IDLE --submit--> PENDING --poll----> RETRY | DONE
 *                      PENDING --cancel--> IDLE         (readiness platforms: at once)
 *                      RETRY ---cancel--> IDLE          (the owner resumes, and may submit again)
 */
#pragma once

#include "base/ptk_list.h"
#include <ptk_os_net.h>

/* Events, ready bits and interest. The first five have the values of PTK_EVENT_*. READ and WRITE are the
 * directions of transfers; only READY operations wait for HANGUP and PRIORITY. */
#define PTK_READY_READ     1u
#define PTK_READY_WRITE    2u
#define PTK_READY_ERROR    4u
#define PTK_READY_HANGUP   8u
#define PTK_READY_PRIORITY 16u
/* Everything that can be waited for. An error ends every wait, so it makes all of these ready. */
#define PTK_READY_ANY (PTK_READY_READ | PTK_READY_WRITE | PTK_READY_HANGUP | PTK_READY_PRIORITY)
/* Sticky: a hang-up, an error or an urgent mark was reported, so a short receive does not mean that the queue
 * is empty. */
#define PTK_READY_EXCEPTIONAL 32u

typedef enum ptk_event_op_kind {
    PTK_OP_RECV,    /* at.buffer, bytes -> result: bytes, 0 at the end of the stream */
    PTK_OP_SEND,    /* at.data, bytes -> result: bytes */
    PTK_OP_ACCEPT,  /* at.addr, addrlen (may be NULL) -> result: the new handle */
    PTK_OP_CONNECT, /* at.target, bytes -> result: 0 */
    PTK_OP_READY,   /* events -> result: the events that are ready; consumes nothing */
} ptk_event_op_kind_t;

typedef enum ptk_event_op_state {
    PTK_OP_IDLE,    /* the owner's */
    PTK_OP_PENDING, /* the platform's */
    PTK_OP_RETRY,   /* released by the platform, in the list of finished operations or just delivered */
    PTK_OP_DONE,    /* `result` is valid */
} ptk_event_op_state_t;

typedef struct ptk_event_op ptk_event_op_t;
typedef struct ptk_event_source ptk_event_source_t;

struct ptk_event_op {
    ptk_list_node_t link; /* in a list of finished operations, between poll and delivery */
    ptk_event_source_t *source;
    void *waiter; /* the wait record that delivery wakes; opaque to the platform */
    uint8_t kind;
    uint8_t state;
    bool nowait;  /* never pend: complete with -EAGAIN instead */
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
    PTK_SOURCE_FOREIGN, /* other code reads the handle too: polled at each submission, registered for one park
                         */
} ptk_event_source_mode_t;

/* What an operation can wait for, as indices. Nothing flows in the last two. */
typedef enum ptk_event_direction {
    PTK_DIRECTION_READ,     /* RECV, ACCEPT, or READY for READ */
    PTK_DIRECTION_WRITE,    /* SEND, CONNECT, or READY for WRITE */
    PTK_DIRECTION_HANGUP,   /* READY for HANGUP */
    PTK_DIRECTION_PRIORITY, /* READY for PRIORITY */
    PTK_DIRECTIONS
} ptk_event_direction_t;

/* The event of each direction. */
static const uint32_t ptk_direction_events[PTK_DIRECTIONS] = {PTK_READY_READ, PTK_READY_WRITE,
                                                              PTK_READY_HANGUP, PTK_READY_PRIORITY};

/* A place in a ring of sources. Set while the source is in it. */
typedef struct ptk_event_neighbours {
    ptk_event_source_t *next;
    ptk_event_source_t *previous;
} ptk_event_neighbours_t;

struct ptk_event_source {
    ptk_os_handle_t handle;
    ptk_event_op_t *pending[PTK_DIRECTIONS];        /* READY may be in several, the others are in one */
    ptk_event_neighbours_t waiting[PTK_DIRECTIONS]; /* while one pends: the others on the same handle */
    uint32_t registration;                          /* index in the platform's table, valid while attached */
    uint8_t mode;
    uint8_t ready; /* OWNED: sticky; a clear bit means that the last try would have blocked */
    bool attached;
    bool short_means_drained; /* an internet stream with SO_OOBINLINE; see the top of ptk_readiness.c */
};
