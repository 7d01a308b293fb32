/* SPDX-License-Identifier: MIT */
/* The wide interceptor: see faults.h. */
#include "faults.h"

#include "ptk_test.h"
#include <errno.h>
#include <ptk_time.h>
#include <string.h>
#include <sys/epoll.h>

#define HANDLES 4096

static struct {
    uint32_t calls;
    uint32_t failures; /* by any plan */
    uint32_t nth;
    unsigned index;
    bool for_good;
    int handles;
    int mappings;
    bool is_own[HANDLES];
} state;

static bool is_own(ptk_os_handle_t handle) {
    return handle >= 0 && handle < HANDLES && state.is_own[handle];
}

void wide_reset(void) {
    memset(&state, 0, sizeof state);
    ptk_test_faults_forget();
}

void wide_plan(uint32_t nth, unsigned index, ptk_test_fault_span_t span) {
    state.calls = 0;
    state.failures = 0;
    state.nth = nth;
    state.index = index;
    state.for_good = span == PTK_TEST_FOR_GOOD;
}

uint32_t wide_calls(void) {
    return state.calls;
}

uint32_t wide_failures(void) {
    return state.failures;
}

int wide_handles(void) {
    return state.handles;
}

int wide_mappings(void) {
    return state.mappings;
}

/* Returns whether the error must not last: ptk repeats the call at once, or at the next report, which comes
 * at once. A program would spin, and no kernel returns such an error for ever. */
static bool cannot_last(const fault_pair_t *pair) {
    return pair->class == FAULT_RETRIED || (pair->member == PTK_SYS_peer_name && pair->os_err == ENOTCONN);
}

int wide_choose(ptk_sys_member_t member, unsigned index, ptk_test_fault_span_t span) {
    const fault_table_t *table = fault_table();
    const fault_pair_t *fit[64];
    size_t count = 0;
    for (size_t i = 0; i < table->count && count < 64; i++) {
        const fault_pair_t *pair = &table->pairs[i];
        bool can_happen = pair->class == FAULT_HANDLED || pair->class == FAULT_RETRIED;
        if (pair->member == member && can_happen && (span == PTK_TEST_ONCE || !cannot_last(pair))) {
            fit[count++] = pair;
        }
    }
    return count > 0 ? fit[index % count]->os_err : EIO;
}

/* Returns the errno with which this call is to fail, or 0. A failure takes time, so that a program that
   repeats the call without a limit of tries comes to the end of its time. */
static int failure_of(ptk_sys_member_t member) {
    int os_err = ptk_test_fault_take(member);
    uint32_t call = ++state.calls;
    if (state.nth != 0 && (call == state.nth || (call > state.nth && state.for_good))) {
        os_err = wide_choose(member, state.index, state.for_good ? PTK_TEST_FOR_GOOD : PTK_TEST_ONCE);
    }
    if (os_err != 0) {
        state.failures++;
        below_clock_advance(PTK_NS_PER_MS);
    }
    return os_err;
}

static int64_t fail_or_call(ptk_sys_call_t *call) {
    int os_err = failure_of(call->member);
    return os_err ? -os_err : ptk_sys_call_below(call);
}

static int64_t opened(int64_t result, const ptk_os_handle_t *handle) {
    if (result == 0) {
        state.handles++;
        CHECK(*handle < HANDLES);
        state.is_own[*handle] = true;
    }
    return result;
}

static int64_t close_and_fail(ptk_sys_call_t *call) {
    const ptk_os_handle_t handle = call->close.handle;
    int os_err = failure_of(PTK_SYS_close);
    CHECK_EQ(ptk_sys_call_below(call), 0);
    state.handles--;
    state.is_own[handle] = false;
    below_watch_note(0, EPOLL_CTL_DEL, handle, NULL);
    return -os_err;
}

static int64_t fail_or_connect(ptk_sys_call_t *call) {
    int os_err = failure_of(PTK_SYS_connect);
    bool begins = os_err == 0 || os_err == EINPROGRESS || os_err == EALREADY;
    int64_t result = begins ? ptk_sys_call_below(call) : 0;
    return os_err ? -os_err : result;
}

/* EEXIST fails only additions and ENOENT only modifications, both of foreign descriptors only: elsewhere a
   kernel cannot return them. */
static int64_t fail_or_watch(ptk_sys_call_t *call) {
    struct ptk_sys_epoll_ctl_arguments *in = &call->epoll_ctl;
    const int operation = in->operation;
    int os_err = failure_of(PTK_SYS_epoll_ctl);
    bool is_foreign = !is_own(in->handle);
    bool possible = (os_err != EEXIST || (operation == EPOLL_CTL_ADD && is_foreign)) &&
                    (os_err != ENOENT || (operation == EPOLL_CTL_MOD && is_foreign));
    if (os_err != 0 && possible) {
        if (os_err == EEXIST || os_err == ENOENT) {
            in->operation = os_err == EEXIST ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
            (void) ptk_sys_call_below(call);
        }
        return -os_err;
    }
    state.failures -= os_err != 0;
    int64_t result = ptk_sys_call_below(call);
    if (result == 0) {
        below_watch_note(in->epoll, operation, in->handle, in->event);
    }
    return result;
}

/* Passes `result` on. If it means that nothing is ready yet, what is ready is reported once more. */
static int64_t report_again(int64_t result, int64_t not_ready, ptk_os_handle_t handle) {
    if (result == not_ready || (result < 0 && not_ready == 0)) {
        below_report_again(handle);
    }
    return result;
}

static int64_t fail_by_either_plan(ptk_sys_call_t *call) {
    switch (call->member) {
    case PTK_SYS_socket:
        return opened(fail_or_call(call), call->socket.handle_out);
    case PTK_SYS_epoll_create:
        return opened(fail_or_call(call), call->epoll_create.handle_out);
    case PTK_SYS_timer_open:
        return opened(fail_or_call(call), call->timer_open.handle_out);
    case PTK_SYS_wake_open:
        return opened(fail_or_call(call), call->wake_open.handle_out);
    case PTK_SYS_accept:
        return opened(report_again(fail_or_call(call), 0, call->accept.handle), call->accept.handle_out);
    case PTK_SYS_recv:
        return report_again(fail_or_call(call), -EAGAIN, call->recv.handle);
    case PTK_SYS_send:
        return report_again(fail_or_call(call), -EAGAIN, call->send.handle);
    case PTK_SYS_peer_name:
        return report_again(fail_or_call(call), -ENOTCONN, call->peer_name.handle);
    case PTK_SYS_close:
        return close_and_fail(call);
    case PTK_SYS_connect:
        return fail_or_connect(call);
    case PTK_SYS_epoll_ctl:
        return fail_or_watch(call);
    case PTK_SYS_heap_reallocate:
        return ptk_test_fault_take(PTK_SYS_heap_reallocate) ? ptk_sys_pointer(NULL)
                                                            : ptk_sys_call_below(call);
    default:
        return fail_or_call(call);
    }
}

static int64_t count_mappings(ptk_sys_call_t *call) {
    state.mappings -= call->member == PTK_SYS_unmap;
    int64_t result = fail_by_either_plan(call);
    state.mappings += call->member == PTK_SYS_map_stacks && result == 0;
    return result;
}

static int64_t wide_hook(ptk_sys_call_t *call) {
    return below_is_acting() ? count_mappings(call) : ptk_sys_call_below(call);
}

#define HOOK(entry, kind, type, count, parameters) [PTK_SYS_##entry] = wide_hook,
static ptk_interceptor_t wide = {.hooks = {PTK_SYS_FALLIBLE(HOOK)}};

__attribute__((constructor(101))) static void intercept(void) {
    below_intercept(&wide);
}
