/* SPDX-License-Identifier: MIT */
/*
 * The wide table, over whatever lies below.
 */
#include "faults.h"

#include "ptk_test.h"
#include <errno.h>
#include <ptk_time.h>
#include <string.h>
#include <sys/epoll.h>

#define HANDLES 4096

static struct {
    uint32_t calls;
    uint32_t failures; /* by whatever plan */
    uint32_t nth;
    unsigned turn;
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
    for (int member = 0; member < PTK_FAULT_MEMBERS; member++) {
        ptk_test_fault((ptk_test_fault_member_t) member, 0, 0, PTK_TEST_ONCE);
    }
}

void wide_plan(uint32_t nth, unsigned turn, ptk_test_fault_span_t span) {
    state.calls = 0;
    state.failures = 0;
    state.nth = nth;
    state.turn = turn;
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

/* After these ptk asks again at once, or at the next report, which comes at once: no kernel answers so for
 * ever. */
static bool cannot_last(const fault_pair_t *pair) {
    return pair->class == FAULT_RETRIED || (pair->member == PTK_FAULT_peer_name && pair->os_err == ENOTCONN);
}

int wide_choose(ptk_test_fault_member_t member, unsigned turn, ptk_test_fault_span_t span) {
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
    return count > 0 ? fit[turn % count]->os_err : EIO;
}

/* The errno that this call is to fail with, or 0. A failure takes time, so that whoever tries again for ever
   comes to an end. */
static int strike(ptk_test_fault_member_t member) {
    int os_err = ptk_test_fault_take(member);
    uint32_t call = ++state.calls;
    if (state.nth != 0 && (call == state.nth || (call > state.nth && state.for_good))) {
        os_err = wide_choose(member, state.turn, state.for_good ? PTK_TEST_FOR_GOOD : PTK_TEST_ONCE);
    }
    if (os_err != 0) {
        state.failures++;
        below_clock_advance(PTK_NS_PER_MS);
    }
    return os_err;
}

#define STRIKE(member, result, parameters, arguments)                                                        \
    static result plain_##member parameters {                                                                \
        int os_err = strike(PTK_FAULT_##member);                                                             \
        return os_err ? -os_err : below_sys->member arguments;                                               \
    }
PTK_TEST_FAULT_TABLE(STRIKE)

static int opened(int result, const ptk_os_handle_t *handle) {
    if (result == 0) {
        state.handles++;
        CHECK(*handle < HANDLES);
        state.is_own[*handle] = true;
    }
    return result;
}

static int wide_socket(int family, int type, int protocol, ptk_os_handle_t *handle_out) {
    return opened(plain_socket(family, type, protocol, handle_out), handle_out);
}

static int wide_epoll_create(ptk_os_handle_t *handle_out) {
    return opened(plain_epoll_create(handle_out), handle_out);
}

static int wide_timer_open(ptk_os_handle_t *handle_out) {
    return opened(plain_timer_open(handle_out), handle_out);
}

static int wide_wake_open(ptk_os_handle_t *handle_out) {
    return opened(plain_wake_open(handle_out), handle_out);
}

static int wide_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                       ptk_os_handle_t *handle_out) {
    int result = plain_accept(handle, addr, addrlen, handle_out);
    if (result < 0) {
        below_report_again(handle);
    }
    return opened(result, handle_out);
}

static int wide_close(ptk_os_handle_t handle) {
    int os_err = strike(PTK_FAULT_close);
    int result = below_sys->close(handle);
    CHECK_EQ(result, 0);
    state.handles--;
    state.is_own[handle] = false;
    below_watch_note(0, EPOLL_CTL_DEL, handle, NULL);
    return -os_err;
}

static int wide_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int os_err = strike(PTK_FAULT_connect);
    bool begins = os_err == 0 || os_err == EINPROGRESS || os_err == EALREADY;
    int result = begins ? below_sys->connect(handle, addr, addrlen) : 0;
    return os_err ? -os_err : result;
}

static intptr_t wide_recv(ptk_os_handle_t handle, void *buffer, size_t bytes) {
    intptr_t result = plain_recv(handle, buffer, bytes);
    if (result == -EAGAIN) {
        below_report_again(handle);
    }
    return result;
}

static intptr_t wide_send(ptk_os_handle_t handle, const void *buffer, size_t bytes) {
    intptr_t result = plain_send(handle, buffer, bytes);
    if (result == -EAGAIN) {
        below_report_again(handle);
    }
    return result;
}

static int wide_peer_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int result = plain_peer_name(handle, addr, addrlen);
    if (result == -ENOTCONN) {
        below_report_again(handle);
    }
    return result;
}

/* Two answers come only where they can: to an addition, and to what is not one, of a foreign number. */
static int wide_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                          struct epoll_event *event) {
    int os_err = strike(PTK_FAULT_epoll_ctl);
    bool is_foreign = !is_own(handle);
    bool possible = (os_err != EEXIST || (operation == EPOLL_CTL_ADD && is_foreign)) &&
                    (os_err != ENOENT || (operation == EPOLL_CTL_MOD && is_foreign));
    int before = os_err == EEXIST ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
    if (os_err != 0 && possible) {
        if (os_err == EEXIST || os_err == ENOENT) {
            (void) below_sys->epoll_ctl(epoll, before, handle, event);
        }
        return -os_err;
    }
    state.failures -= os_err != 0;
    int result = below_sys->epoll_ctl(epoll, operation, handle, event);
    if (result == 0) {
        below_watch_note(epoll, operation, handle, event);
    }
    return result;
}

static int wide_map_stacks(size_t bytes, void **memory_out) {
    int result = plain_map_stacks(bytes, memory_out);
    state.mappings += result == 0;
    return result;
}

static int wide_unmap(void *memory, size_t bytes) {
    state.mappings--;
    return plain_unmap(memory, bytes);
}

static void *wide_heap_reallocate(void *memory, size_t bytes) {
    return ptk_test_fault_take(PTK_FAULT_heap_reallocate) ? NULL : below_sys->heap_reallocate(memory, bytes);
}

void wide_make(ptk_sys_t *wide) {
    *wide = *below_sys;
#define HANG(member, result, parameters, arguments) wide->member = plain_##member;
    PTK_TEST_FAULT_TABLE(HANG)
#undef HANG
    wide->socket = wide_socket;
    wide->epoll_create = wide_epoll_create;
    wide->timer_open = wide_timer_open;
    wide->wake_open = wide_wake_open;
    wide->accept = wide_accept;
    wide->close = wide_close;
    wide->connect = wide_connect;
    wide->recv = wide_recv;
    wide->send = wide_send;
    wide->peer_name = wide_peer_name;
    wide->epoll_ctl = wide_epoll_ctl;
    wide->map_stacks = wide_map_stacks;
    wide->unmap = wide_unmap;
    wide->heap_reallocate = wide_heap_reallocate;
}
