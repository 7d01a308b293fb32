/* SPDX-License-Identifier: MIT */
/*
 * A hostile kernel: an interceptor that does, by the dice, everything that a kernel may
 * do and seldom does. Receives bring less than there is and sends take less than there is room for; the
 * poller comes back early with nothing, with one event of several, or with readiness that is not there;
 * whatever can answer EINTR does so.
 *
 * It stays truthful. EAGAIN is never made up, and a receive that was cut short would say "drained" to ptk
 * (see the top of ptk_readiness.c), so what is left is reported anew: the registration is modified, which
 * makes epoll look at the socket again and report what it finds.
 */
#pragma once

#include "ptk_test_intercept.h"

/* Does PTK_TEST_HOSTILE ask for it? Its value is the seed. */
bool ptk_test_is_hostile(void);

/* Installs the interceptor in this thread, unless it is there already. */
void ptk_test_hostile_install(void);

/* Returns how many calls it has bent in this thread. */
uint64_t ptk_test_hostile_bends(void);

/* For other interceptors of an epoll: a call of epoll_ctl has succeeded; and what `handle` has to
   report is to be reported (again), if an epoll watches it. */
void ptk_test_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                         const struct epoll_event *event);
void ptk_test_watch_again(ptk_os_handle_t handle);
