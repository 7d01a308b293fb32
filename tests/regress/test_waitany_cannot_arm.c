/* SPDX-License-Identifier: MIT */
/*
 * wait_any took a descriptor that the kernel refuses to watch for one that became ready in between: it looked
 * and armed alternately without end, past its timeout, and no other green thread ran. Now the item's error
 * ends the call.
 */
#include "regress_sock.h"

#include "ptk_test_faults.h"
#include <errno.h>

/* Waits for `waitable` behind another that can be watched; the result must be `expected` and name it. */
static void check_refused(ptk_waitable_t *waitable, ptk_err expected) {
    ptk_waitable_t *user = test_user();
    ptk_waitable_wait_item_t items[] = {
        {.waitable = user, .events = PTK_EVENT_READ},
        {.waitable = waitable, .events = PTK_EVENT_READ},
    };
    size_t index = 9;
    CHECK_ERR(test_wait(waitable, 50), expected);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 50), expected);
    CHECK_EQ(index, 1);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE), expected);
    CHECK_OK(ptk_waitable_signal(user)); /* no waiter is left in its queue */
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 0);
    ptk_waitable_destroy(user);
}

static ptk_err wait_for_the_loops_own(void *unused) {
    (void) unused;
    int fd = (int) ptk_event_loop_platform_fd(NULL);
    CHECK(fd >= 0);
    ptk_waitable_t *own = test_fd_waitable(fd);
    check_refused(own, PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(own);
    return PTK_OK;
}

TEST(waitany_on_the_loops_own_descriptor_ends) {
    regress_in_green("epoll", wait_for_the_loops_own);
}

static ptk_err wait_without_room(void *unused) {
    (void) unused;
    int fds[2];
    test_socketpair(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    ptk_test_fault(PTK_SYS_epoll_ctl, 1, ENOSPC, PTK_TEST_FOR_GOOD);
    check_refused(readable, PTK_ERR_NO_RESOURCES);
    ptk_test_fault(PTK_SYS_epoll_ctl, 0, 0, PTK_TEST_ONCE);
    CHECK_ERR(test_wait(readable, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(waitany_without_room_to_watch_ends) {
    ptk_test_faults_install();
    regress_in_green("epoll", wait_without_room);
    ptk_test_faults_remove();
}
