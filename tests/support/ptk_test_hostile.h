/* SPDX-License-Identifier: MIT */
/*
 * A hostile kernel: an interceptor that does, at random, what a kernel may do and seldom does. Receives
 * return fewer bytes than there are, and sends accept fewer than there is room for. The poller returns early,
 * without an event, with one event of several, or with readiness that does not exist. Calls that can be
 * interrupted return EINTR.
 *
 * The hostile kernel never returns EAGAIN for a descriptor that is ready. ptk takes a receive that returns
 * fewer bytes than requested as the end of what is there (see the top of ptk_readiness.c). So what a
 * shortened receive leaves is reported anew: the registration is modified, which makes epoll look at the
 * socket again and report what it finds.
 */
#pragma once

#include "ptk_test_intercept.h"

/* Returns whether PTK_TEST_HOSTILE is set. Its value is the seed. */
bool ptk_test_is_hostile(void);

/* Installs the interceptor in this thread, unless it is there already. */
void ptk_test_hostile_install(void);

/* Returns how many calls of this thread the hostile kernel has changed. */
uint64_t ptk_test_hostile_bends(void);

/* For other interceptors of an epoll. The first records a successful call of epoll_ctl. The second makes the
   epoll that watches `handle`, if there is one, report once more what is ready. */
void ptk_test_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                         const struct epoll_event *event);
void ptk_test_watch_again(ptk_os_handle_t handle);
