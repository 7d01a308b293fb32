/* SPDX-License-Identifier: MIT */
#include "ptk_test_faults.h"

#include "base/ptk_thread.h"
#include "ptk_test.h"
#include <errno.h>
#include <stdatomic.h>

/* What is planned for one member. Other threads may call through the table while a test plans. */
typedef struct plan {
    atomic_uint calls;
    atomic_uint failures;
    atomic_uint nth;
    atomic_int os_err;
    atomic_bool for_good;
} plan_t;

static plan_t plans[PTK_FAULT_MEMBERS];
static ptk_sys_t table;
static ptk_sys_t base;
static const ptk_sys_t *block_before;
static bool installed;

int ptk_test_fault_take(ptk_test_fault_member_t member) {
    plan_t *plan = &plans[member];
    unsigned call = atomic_fetch_add(&plan->calls, 1) + 1;
    unsigned nth = atomic_load(&plan->nth);
    if (nth == 0 || call < nth || (call > nth && !atomic_load(&plan->for_good))) {
        return 0;
    }
    atomic_fetch_add(&plan->failures, 1);
    return atomic_load(&plan->os_err);
}

#define FAULTY(member, result, parameters, arguments)                                                        \
    static result faulty_##member parameters {                                                               \
        int os_err = ptk_test_fault_take(PTK_FAULT_##member);                                                \
        return os_err ? -os_err : base.member arguments;                                                     \
    }
PTK_TEST_FAULT_TABLE(FAULTY)

static void *faulty_heap_reallocate(void *memory, size_t bytes) {
    return ptk_test_fault_take(PTK_FAULT_heap_reallocate) ? NULL : base.heap_reallocate(memory, bytes);
}

static int faulty_close(ptk_os_handle_t handle) {
    int os_err = ptk_test_fault_take(PTK_FAULT_close);
    int result = base.close(handle);
    return os_err ? -os_err : result;
}

static void check_removed(void) {
    CHECK(!installed);
}

void ptk_test_faults_install(void) {
    static bool checking;
    CHECK(!installed);
    block_before = ptk_thread()->sys;
    base = *ptk_sys();
    table = base;
#define HANG(member, result, parameters, arguments) table.member = faulty_##member;
    PTK_TEST_FAULT_TABLE(HANG)
#undef HANG
    table.heap_reallocate = faulty_heap_reallocate;
    table.close = faulty_close;
    for (int member = 0; member < PTK_FAULT_MEMBERS; member++) {
        ptk_test_fault((ptk_test_fault_member_t) member, 0, 0, PTK_TEST_ONCE);
    }
    ptk_thread()->sys = &table;
    installed = true;
    if (!checking) {
        checking = true;
        ptk_test_at_end(check_removed);
    }
}

void ptk_test_faults_remove(void) {
    CHECK(installed);
    for (int member = 0; member < PTK_FAULT_MEMBERS; member++) {
        atomic_store(&plans[member].nth, 0);
    }
    ptk_thread()->sys = block_before;
    installed = false;
}

void ptk_test_fault(ptk_test_fault_member_t member, uint32_t nth, int os_err, ptk_test_fault_span_t span) {
    plan_t *plan = &plans[member];
    atomic_store(&plan->nth, 0);
    atomic_store(&plan->calls, 0);
    atomic_store(&plan->failures, 0);
    atomic_store(&plan->os_err, os_err ? os_err : ENOMEM);
    atomic_store(&plan->for_good, span == PTK_TEST_FOR_GOOD);
    atomic_store(&plan->nth, nth);
}

uint32_t ptk_test_fault_calls(ptk_test_fault_member_t member) {
    return atomic_load(&plans[member].calls);
}

uint32_t ptk_test_fault_failures(ptk_test_fault_member_t member) {
    return atomic_load(&plans[member].failures);
}

const ptk_sys_t *ptk_test_faults_table(void) {
    return &table;
}
