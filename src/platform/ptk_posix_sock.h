/* SPDX-License-Identifier: MIT */
/* The socket verbs of every POSIX platform (layer 2), over the system table. None waits. */
#pragma once

#include "platform/ptk_platform.h"

/* Makes one attempt at an operation. Returns its result (see ptk_event_op_kind_t), -EAGAIN if it would block,
 * or another negative errno value. Does not change `state` and `result`; a CONNECT sets `started`. */
intptr_t ptk_posix_sock_try(ptk_event_op_t *op);

/* The immediate verbs. */
extern const ptk_platform_socket_ops_t ptk_posix_sock_ops;
