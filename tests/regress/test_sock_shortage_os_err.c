/* SPDX-License-Identifier: MIT */
/* An accept that had waited during a shortage of descriptors, and then failed for another reason, still
   reported the shortage's errno. */
#include "regress_sock.h"
#include "ptk_test_faults.h"
#include <errno.h>

static ptk_err accept_after_a_shortage(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    ptk_test_fault(PTK_SYS_accept, 1, EMFILE, PTK_TEST_ONCE);
    CHECK(ptk_sock_accept(listener, NULL, NULL, 60) == NULL);
    CHECK_EQ(ptk_test_fault_failures(PTK_SYS_accept), 1);
    CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_get_os_err(), 0);
    ptk_test_fault(PTK_SYS_accept, 1, EMFILE, PTK_TEST_FOR_GOOD);
    CHECK(ptk_sock_accept(listener, NULL, NULL, 60) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES); /* it lasts: then it is the reason */
    CHECK_EQ(ptk_get_os_err(), EMFILE);
    ptk_test_fault(PTK_SYS_accept, 0, 0, PTK_TEST_ONCE);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(accept_forgets_the_errno_of_a_shortage_that_passed) {
    test_clock_begin(1000 * PTK_NS_PER_MS);
    ptk_test_faults_install();
    test_in_green(accept_after_a_shortage);
    ptk_test_faults_remove();
    test_clock_end();
}
