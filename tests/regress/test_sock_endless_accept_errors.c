/* SPDX-License-Identifier: MIT */
/*
 * accept skips connections that died in the backlog. Where accept4(2) returns such an error each time,
 * without taking a connection (as under a policy that forbids it), it repeated the call without end and
 * without checking its deadline or letting others run.
 */
#include "conformance.h"

#include "ptk_test_faults.h"
#include <errno.h>

static ptk_err count_ticks(void *arg) {
    int *turns = arg;
    while (ptk_yield() == PTK_OK) {
        ++*turns;
    }
    return PTK_OK;
}

static ptk_err accept_in_vain(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int turns = 0;
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &addr));
    ptk_sock_t *listener = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length));
    CHECK_OK(ptk_sock_listen(listener, 1));
    ptk_green_t *other = test_spawn(count_ticks, &turns);
    ptk_test_fault(PTK_SYS_accept, 1, EPERM, PTK_TEST_FOR_GOOD);
    CHECK(ptk_sock_accept(listener, NULL, NULL, 20) == NULL);
    CHECK(turns > 0);
    CHECK(ptk_sock_accept(listener, NULL, NULL, 0) == NULL);
    CHECK_OK(ptk_green_cancel(other));
    CHECK_OK(test_join(other));
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p15_accept_ends_at_its_deadline_whatever_accept4_returns) {
    ptk_test_faults_install();
    test_in_green(accept_in_vain);
    ptk_test_faults_remove();
}
