/* SPDX-License-Identifier: MIT */
/*
 * The platform contract (layer 2, internal), and the list of what a port to another operating system adds.
 *
 * A port consists of, in the order of writing it:
 *   0. for another CPU a stack switch, src/context/ptk_context_<abi>.c and .h, unless libc has swapcontext;
 *      for another system the types of ptk_os_net.h and, for another compiler, the attributes of ptk_api.h;
 *   1. a system table, `ptk_sys_real` (src/sys/ptk_sys.h): every call to the operating system;
 *   2. the socket verbs, a ptk_platform_socket_ops_t; a POSIX system uses ptk_posix_sock.h;
 *   3. a loop structure that embeds `struct ptk_event_loop_platform` as its first member, and a
 *      ptk_platform_ops_t for it (see below);
 *   4. one entry in the list at the top of ptk_event_loop_platform.c, in the order of preference.
 *
 * The build compiles every .c of src/ on every system, of src/context/ptk_context_*.c only the one that is
 * used (cmake/PtkLibrary.cmake): a port to a system without epoll also excludes there the files that it does
 * not have.
 *
 * Where the system reports readiness (epoll, kqueue, poll), ptk_readiness.h implements attach, detach,
 * set_handle, submit and cancel, and the port adds open, close, poll and three hooks. Where the system
 * completes operations (io_uring, IOCP), the port implements all of them.
 *
 * Rules:
 *   - nothing here parks and nothing calls a higher layer: poll only appends finished operations to a
 *     list;
 *   - all functions run on the thread that owns the loop; only the inbox is for other threads;
 *   - the caller owns sources, operations and buffers;
 *   - a source is attached before its first operation. All memory that it will ever need is reserved
 *     then, so that submit cannot run out of it. It is detached with nothing pending, and before its
 *     handle is closed;
 *   - an operation completes exactly once; its states are in ptk_event_source.h;
 *   - failures are negative errno values.
 */
#pragma once

#include "base/ptk_inbox.h"
#include "base/ptk_list.h"
#include "context/ptk_overflow.h"
#include "ptk_event_source.h"
#include <ptk_event_loop_platform.h>

/* The times of keepalive. */
typedef struct ptk_keepalive {
    uint32_t idle_ms;     /* without a segment from the peer, until the first probe */
    uint32_t interval_ms; /* from one probe to the next */
    uint32_t count;       /* probes without a reply, until the connection ends */
} ptk_keepalive_t;

/* The immediate socket verbs. None waits. All return 0 or a negative errno value. */
typedef struct ptk_platform_socket_ops {
    /* Opens a non-blocking socket; of a stream, urgent bytes stay in line and small writes are sent at once.
     */
    int (*open)(int family, int type, int protocol, ptk_os_handle_t *handle_out);

    int (*bind)(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);

    /* Listens; `backlog` <= 0 is the system's maximum. */
    int (*listen)(ptk_os_handle_t handle, int backlog);

    /* Ends one or both directions; at least one flag is set. */
    int (*shutdown)(ptk_os_handle_t handle, bool read, bool write);

    /* Closes; `reset` discards what is not sent and resets the connection. The handle is gone whatever it
     * returns. */
    int (*close)(ptk_os_handle_t handle, bool reset);

    int (*local_addr)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
    int (*peer_addr)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);

    /* Reads how many bytes of a stream's send buffer are free, and how many it has, both as the system counts
     * them: its own records included. A failure means that the system does not state it. */
    int (*send_room)(ptk_os_handle_t handle, size_t *room_out, size_t *capacity_out);

    int (*set_nodelay)(ptk_os_handle_t handle, bool on);
    int (*set_reuse)(ptk_os_handle_t handle, bool on);

    /* Switches keepalive of a stream on, with times that are rounded up to what the system takes, or off
     * (NULL). -EINVAL: a value is 0 or more than the system takes; nothing has changed. */
    int (*set_keepalive)(ptk_os_handle_t handle, const ptk_keepalive_t *keepalive);

    /* Limits how long sent bytes of a stream may stay unacknowledged; 0: the system's own limit. -EINVAL:
     * more than the system takes. -ENOPROTOOPT: it has no such limit. */
    int (*set_user_timeout)(ptk_os_handle_t handle, uint32_t timeout_ms);
} ptk_platform_socket_ops_t;

typedef struct ptk_platform_ops {
    const char *name;  /* of the option `platform` and of $PTK_PLATFORM */
    size_t loop_bytes; /* size of the port's loop structure */

    /* Initialises the port's part of a zeroed loop whose `ops` and `inbox` are set, and watches the inbox's
     * wake. -ENOSYS: does not work on this system. On failure nothing remains open. */
    int (*open)(ptk_event_loop_platform_t *loop);

    /* Releases what open made. No source is attached. */
    void (*close)(ptk_event_loop_platform_t *loop);

    /* In the child of a fork, whose poller is the parent's too: from now on detach and cancel change nothing
     * that the parent would see. Only detach, cancel and close are called afterwards. */
    void (*disown)(ptk_event_loop_platform_t *loop);

    /* Reserves everything that `source` will need, and makes it attached; its handle may be NONE (OWNED
     * only). */
    int (*attach)(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);

    /* Removes the registration. Nothing is pending on the source, and its handle is still open. */
    void (*detach)(ptk_event_loop_platform_t *loop, ptk_event_source_t *source);

    /* Sets the handle of an OWNED source that was attached without one. Cannot fail. */
    void (*set_handle)(ptk_event_loop_platform_t *loop, ptk_event_source_t *source, ptk_os_handle_t handle);

    /* Tries an IDLE operation, and makes it pend if it would block and `nowait` is false. Returns its new
     * state, DONE or PENDING. */
    ptk_event_op_state_t (*submit)(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);

    /* Takes a PENDING or RETRY operation back, also out of the list of finished ones. True: it is IDLE, and
     * has had no effect since. False (completing platforms only): it will come from poll. */
    bool (*cancel)(ptk_event_loop_platform_t *loop, ptk_event_op_t *op);

    /* Waits until an operation is finished, the inbox is kicked, or the clock, which reads `now_ns`, passes
     * `deadline_ns`; does not wait if deadline_ns <= now_ns, and may return early. Appends finished
     * operations to `finished`, and drains the inbox's wake. Sets `has_more` if the system may have more that
     * is finished already, and clears it if not: an edge-triggered embedder is not notified of that again. A
     * failure is the poller's own, not that of an operation. */
    int (*poll)(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns, ptk_list_t *finished);

    /* Returns the handle for ptk_event_loop_platform_fd(), readable whenever poll has something to return.
     * NULL: not supported; set_alarm is NULL too, and poll_set is not. */
    int (*expose)(ptk_event_loop_platform_t *loop, ptk_os_handle_t *handle_out);

    /* Returns how many handles poll waits for now, the inbox's wake included, and writes them to `entries` if
     * they are `capacity` at most. Not needed beside expose. */
    size_t (*poll_set)(ptk_event_loop_platform_t *loop, ptk_poll_entry_t *entries, size_t capacity);

    /* Makes that handle readable at `deadline_ns`, or earlier if an earlier deadline was set before and has
     * not been reached. Only after expose has succeeded. */
    void (*set_alarm)(ptk_event_loop_platform_t *loop, uint64_t deadline_ns);

    const ptk_platform_socket_ops_t *sockets;
} ptk_platform_ops_t;

/* The part of a loop that all platforms have. */
struct ptk_event_loop_platform {
    const ptk_platform_ops_t *ops;
    ptk_inbox_t *inbox;
    struct {
        void *data;                                         /* the scheduler's */
        ptk_err (*detach)(ptk_event_loop_platform_t *loop); /* drains and frees it, or refuses */
        bool (*abandon)(
            ptk_event_loop_platform_t *loop); /* see ptk_scheduler.c; false: memory stays in use */
        void (*exposed)(ptk_event_loop_platform_t *loop); /* called once the loop's descriptor is lent out */
    } attachment;                                         /* all NULL until the scheduler attaches itself */
    ptk_event_loop_platform_options_t options;
    ptk_overflow_thread_t overflow;
    uint32_t tag;              /* in every token of the loop's objects */
    uint32_t first_generation; /* its tokens begin above this generation */
    uint32_t last_generation;  /* the highest that was handed out, set when the scheduler is detached */
    bool is_exposed;           /* another loop waits for this one: its descriptor or poll set was lent out */
    bool has_more;             /* the last poll may have left events in the system's poller */
    uint64_t polls;            /* calls of poll */
    uint64_t events;           /* reports of the system's poller about sources */
};
