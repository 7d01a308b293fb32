/* SPDX-License-Identifier: MIT */
/* A platform handle beyond the range of int was cut to a valid descriptor, and memory for a table of that
   size was requested. */
#include "conformance.h"

TEST(descriptor_wider_than_int_is_invalid) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(ptk_waitable_create(loop, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD((intptr_t) 1 << 32)) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_waitable_create(loop, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(((intptr_t) 1 << 33) + 2)) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    test_loop_end(loop);
}
