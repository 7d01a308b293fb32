/* SPDX-License-Identifier: MIT */
#include "ptk_test_faults.h"

#include "ptk_test.h"
#include <errno.h>
#include <stdatomic.h>

/* The plan for one member. Other threads may read the counts while a test sets a plan. */
typedef struct plan {
    atomic_uint calls;
    atomic_uint failures;
    atomic_uint nth;
    atomic_int os_err;
    atomic_bool for_good;
} plan_t;

static plan_t plans[PTK_SYS_FALLIBLE_MEMBERS];

int ptk_test_fault_take(ptk_sys_member_t member) {
    plan_t *plan = &plans[member];
    unsigned call = atomic_fetch_add(&plan->calls, 1) + 1;
    unsigned nth = atomic_load(&plan->nth);
    if (nth == 0 || call < nth || (call > nth && !atomic_load(&plan->for_good))) {
        return 0;
    }
    atomic_fetch_add(&plan->failures, 1);
    return atomic_load(&plan->os_err);
}

static int64_t fail_by_plan(ptk_sys_call_t *call) {
    int os_err = ptk_test_fault_take(call->member);
    if (os_err == 0 || call->member == PTK_SYS_close) {
        int64_t result = ptk_sys_call_below(call);
        return os_err ? -os_err : result;
    }
    return call->member == PTK_SYS_heap_reallocate ? ptk_sys_pointer(NULL) : -os_err;
}

#define HOOK(entry, kind, type, count, parameters) [PTK_SYS_##entry] = fail_by_plan,
static ptk_interceptor_t faults = {.hooks = {PTK_SYS_FALLIBLE(HOOK)}};

static void check_removed(void) {
    CHECK(!ptk_intercept_is_installed(&faults));
}

void ptk_test_faults_install(void) {
    static bool checking;
    ptk_intercept(&faults);
    ptk_test_faults_forget();
    if (!checking) {
        checking = true;
        ptk_test_at_end(check_removed);
    }
}

void ptk_test_faults_remove(void) {
    ptk_intercept_remove(&faults);
}

void ptk_test_faults_forget(void) {
    for (int member = 0; member < PTK_SYS_FALLIBLE_MEMBERS; member++) {
        ptk_test_fault((ptk_sys_member_t) member, 0, 0, PTK_TEST_ONCE);
    }
}

void ptk_test_fault(ptk_sys_member_t member, uint32_t nth, int os_err, ptk_test_fault_span_t span) {
    plan_t *plan = &plans[member];
    atomic_store(&plan->nth, 0);
    atomic_store(&plan->calls, 0);
    atomic_store(&plan->failures, 0);
    atomic_store(&plan->os_err, os_err ? os_err : ENOMEM);
    atomic_store(&plan->for_good, span == PTK_TEST_FOR_GOOD);
    atomic_store(&plan->nth, nth);
}

uint32_t ptk_test_fault_calls(ptk_sys_member_t member) {
    return atomic_load(&plans[member].calls);
}

uint32_t ptk_test_fault_failures(ptk_sys_member_t member) {
    return atomic_load(&plans[member].failures);
}
