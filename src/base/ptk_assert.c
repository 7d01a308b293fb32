/* SPDX-License-Identifier: MIT */
#include "base/ptk_assert.h"

#include "base/ptk_log_impl.h"
#include "sys/ptk_sys.h"

/* Uses the real system table whatever the thread block holds: a fault injector must not swallow the abort. */
_Noreturn void ptk_assert_failed(const char *file, int line, const char *condition) {
    ptk_report("ptk: %s:%d: broken invariant: %s", file, line, condition);
    ptk_sys_real.abort();
    __builtin_trap();
}
