/* SPDX-License-Identifier: MIT */
/*
 * The platform contract (layer 2, internal): what a port to another operating system fills in.
 *
 * A platform is one table of functions over one loop structure, which embeds `struct ptk_event_loop_platform`
 * first. Nothing here parks and nothing calls up: poll appends finished operations to a list and returns. All
 * of it runs on the owner thread; only the inbox is for others.
 *
 * Who owns what: the caller owns sources, operations, buffers. A source is attached before its first
 * operation (all memory for it is reserved then, so that submitting cannot run out of it) and detached before
 * its handle is closed, with nothing pending.
 */
#pragma once

#include "base/ptk_inbox.h"
#include "base/ptk_list.h"
#include "base/ptk_thread.h"
#include "ptk_event_source.h"
#include <ptk_event_loop_platform.h>

/* The immediate verbs of sockets: none waits. All answer 0 or a negative errno. */
typedef struct ptk_platform_socket_ops {
    int (*open)(int family, int type, int protocol, ptk_os_handle_t *handle_out);
    int (*bind)(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
    int (*listen)(ptk_os_handle_t handle, int backlog);
    int (*shutdown)(ptk_os_handle_t handle, bool read, bool write);
    int (*close)(ptk_os_handle_t handle, bool reset);
    int (*local_addr)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*peer_addr)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*set_nodelay)(ptk_os_handle_t handle, bool on);
    int (*set_reuse)(ptk_os_handle_t handle, bool on);
} ptk_platform_socket_ops_t;

typedef struct ptk_platform_ops {
    const char *name;
    size_t loop_bytes;

    /* Ready the platform's part of a zeroed loop whose inbox stands; 0 or -errno (-ENOSYS: does not work
     * here). */
    int (*open)(ptk_event_loop_platform_t *loop);
    void (*shut)(ptk_event_loop_platform_t *loop);

    /* Reserve everything that `source` will need; 0 or -errno. Detach drops the registration. */
    int (*attach)(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);
    void (*detach)(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);

    /* Give an OWNED source that was attached without a handle its handle: cannot fail. */
    void (*set_handle)(ptk_event_loop_platform_t *loop, ptk_event_source_t *source, ptk_os_handle_t handle);

    /* DONE or PENDING; see ptk_event_source.h. */
    ptk_event_op_state_t (*submit)(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);

    /* Take a PENDING or RETRY operation back. True: it is IDLE. False (completing platforms): it will come
     * from poll. */
    bool (*cancel)(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);

    /* Wait until an operation is finished, the inbox is kicked, or `deadline_ns` of a clock that reads
       `now_ns` has passed; not at all if deadline_ns <= now_ns. May come back early. Appends to `finished`. 0
       or -errno. */
    int (*poll)(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns, ptk_list_t *finished);

    /* For ptk_event_loop_platform_fd(): the handle, and from then on its alarm; NULL: not supported. */
    int (*expose)(ptk_event_loop_platform_t *loop, ptk_os_handle_t *handle_out);
    void (*set_alarm)(ptk_event_loop_platform_t *loop, uint64_t deadline_ns);

    const ptk_platform_socket_ops_t *sockets;
} ptk_platform_ops_t;

struct ptk_event_loop_platform {
    const ptk_platform_ops_t *ops;
    ptk_inbox_t *inbox;
    struct {
        void *data;                                         /* the scheduler's */
        ptk_err (*detach)(ptk_event_loop_platform_t *loop); /* drain and free it, or refuse */
        void (*exposed)(
            ptk_event_loop_platform_t *loop); /* the loop's descriptor is being watched from now on */
    } attachment;
    ptk_event_loop_platform_options_t options;
    void *overflow_cookie;
    uint32_t tag;              /* in every token of the loop's objects */
    uint32_t first_generation; /* its tokens begin above this generation */
    uint32_t last_generation;  /* the highest that was handed out, set when the scheduler is detached */
    bool is_exposed;
    uint64_t polls;
    uint64_t events;
};

extern const ptk_platform_ops_t ptk_platform_epoll;
extern const ptk_platform_ops_t ptk_platform_poll;

/* OK if the calling thread owns `loop` (NULL: its current one), and then *loop_out is it. Else WRONG_THREAD,
   FORKED or NO_LOOP. Never looks into a loop that is not the thread's own. */
ptk_err ptk_loop_resolve(ptk_event_loop_platform_t *loop, ptk_event_loop_platform_t **loop_out);

/* Why `loop` is not the calling thread's: WRONG_THREAD or FORKED. */
ptk_err ptk_loop_refusal(void);

static inline bool ptk_loop_is_mine(const ptk_event_loop_platform_t *loop) {
    return ptk_likely(ptk_thread()->loop == loop);
}

/* Does a public option struct of `known_bytes` fit `options`? INVALID_PARAM for size 0 or an unknown non-zero
   tail; copies what there is over the zeroed *copy_out. */
ptk_err ptk_options_copy(void *copy_out, size_t known_bytes, const void *options);
