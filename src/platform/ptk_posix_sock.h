/* SPDX-License-Identifier: MIT */
/* The socket verbs of every POSIX platform (layer 2), over the system table. None waits. */
#pragma once

#include "platform/ptk_platform.h"
#include <poll.h>

/* The end of the peer's stream, as an event of poll(2); 0: the system only reports a hang-up of both
 * directions. */
#ifdef POLLRDHUP
#define PTK_POSIX_SOCK_POLLRDHUP POLLRDHUP
#else
#define PTK_POSIX_SOCK_POLLRDHUP 0
#endif

/* Makes one attempt at an operation. Returns its result (see ptk_event_op_kind_t), -EAGAIN if it would block,
 * or another negative errno value. Does not change `state` and `result`; a CONNECT sets `started`. */
intptr_t ptk_posix_sock_try(ptk_event_op_t *op);

/* Returns the events of poll(2) for an interest (of PTK_READY_ANY). */
short ptk_posix_sock_poll_events(uint32_t interest);

/* The immediate verbs. */
extern const ptk_platform_socket_ops_t ptk_posix_sock_ops;
