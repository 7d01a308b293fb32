/* SPDX-License-Identifier: MIT */
/*
 * The second end of a shield ended another one: the record still named memory that a later shield had got.
 */
#include "conformance.h"

static ptk_err end_first_twice(void *unused) {
    (void) unused;
    ptk_shield_t first;
    ptk_shield_t second;
    for (size_t i = 0; i < 100; i++) { /* until the allocator hands out the same memory */
        CHECK_OK(ptk_shield_begin(&first, PTK_TIMEOUT_INFINITE));
        CHECK_OK(ptk_shield_end(&first));
        CHECK_OK(ptk_shield_begin(&second, PTK_TIMEOUT_INFINITE));
        CHECK_ERR(ptk_shield_end(&first), PTK_ERR_INVALID_PARAM);
        CHECK_OK(ptk_shield_end(&second));
    }
    return PTK_OK;
}

TEST(shield_that_has_ended_ends_no_later_one) {
    test_in_green(end_first_twice);
}
