/* SPDX-License-Identifier: MIT */
/*
 * The workloads. Each covers a service with all of its calls and checks the results of calls that succeed.
 * All waits have a limit, so that a lost wake is recorded as a failure and does not hang the run. Every
 * workload runs on the real system and on a simulated host. raise() does not reach a simulated host, so there
 * the signals of these programs have no effect.
 */
#include "faults.h"

#include "base/ptk_memory.h"
#include "ptk_test.h"

#include <ptk.h>
#include <signal.h>
#include <string.h>

#define LIMIT_MS 500
#define BIG_MOST ((size_t) 3 * 1024 * 1024)

/* --- failures of calls --- */

static ptk_err seen[4096];
static size_t seen_count;

bool workload_saw(ptk_err err) {
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i] == err) {
            return true;
        }
    }
    return false;
}

const char *workload_first_failure(void) {
    return ptk_err_name(seen_count > 0 ? seen[0] : PTK_OK);
}

/* Returns whether the error means misuse by the program: a failure of the system must never lead to it. */
static bool is_misuse(ptk_err err) {
    switch (err) {
    case PTK_ERR_WRONG_THREAD:
    case PTK_ERR_NOT_GREEN:
    case PTK_ERR_DEADLOCK:
    case PTK_ERR_FORKED:
    case PTK_ERR_NO_LOOP:
        return true;
    default:
        return strcmp(ptk_err_name(err), "unknown error") == 0;
    }
}

/* Returns whether the call succeeded, and records its error if not. */
static bool good(ptk_err err) {
    if (err == PTK_OK) {
        return true;
    }
    CHECK(!is_misuse(err));
    CHECK(seen_count < sizeof seen / sizeof seen[0]);
    seen[seen_count++] = err;
    return false;
}

/* Like good(), for a call that returns a pointer or NULL. */
static bool got(const void *object) {
    return object || good(ptk_get_err());
}

/* Records the error of a call that must return `expected`, if it is another one. The call may succeed only
   because another call has failed. */
static void expect(ptk_err err, ptk_err expected) {
    if (err == PTK_OK) {
        CHECK(wide_failures() > 0 || ptk_test_fault_failures(PTK_SYS_heap_reallocate) > 0);
        (void) good(expected);
    } else if (err != expected) {
        (void) good(err);
    }
}

/* --- loops --- */

static ptk_event_loop_platform_t *begin(void) {
    below_clock_begin();
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    return got(loop) ? loop : NULL;
}

/* Runs until all green threads have ended. If run fails ten times, destroy ends those that are left. */
static void end(ptk_event_loop_platform_t *loop) {
    for (int i = 0; loop && i < 10 && !good(ptk_scheduler_run(loop)); i++) {
    }
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    below_clock_end();
}

static void go(ptk_green_fn fn, void *arg) {
    (void) good(ptk_go(NULL, fn, arg));
}

/* --- sockets --- */

static ptk_addr_t server_addr;
static char big[BIG_MOST];

/* Echoes eight bytes, takes a big message, and ends. */
static ptk_err serve(void *arg) {
    ptk_sock_t *sock = arg;
    char bytes[8];
    size_t count = 0;
    if (good(ptk_sock_recv(sock, bytes, sizeof bytes, LIMIT_MS)) &&
        good(ptk_sock_send(sock, bytes, sizeof bytes, LIMIT_MS)) && good(ptk_sleep_ms(2)) &&
        good(ptk_sock_recv(sock, big, below_big_bytes(), LIMIT_MS)) &&
        good(ptk_sock_send_some(sock, "end", 3, &count, LIMIT_MS))) {
        (void) good(ptk_sock_shutdown(sock, PTK_SOCK_WRITE));
        expect(ptk_sock_recv(sock, bytes, 1, LIMIT_MS), PTK_ERR_EOF);
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err accept_two(void *arg) {
    ptk_sock_t *listener = arg;
    for (int i = 0; i < 2; i++) {
        ptk_addr_t peer = {.length = sizeof peer.storage};
        ptk_sock_t *sock =
            ptk_sock_accept(listener, (struct sockaddr *) &peer.storage, &peer.length, LIMIT_MS);
        if (got(sock) && !good(ptk_go(NULL, serve, sock))) {
            ptk_sock_reset(sock);
        }
    }
    expect(ptk_sock_accept(listener, NULL, NULL, 50) ? PTK_OK : ptk_get_err(), PTK_ERR_TIMEOUT);
    ptk_sock_close(listener);
    return PTK_OK;
}

static ptk_sock_t *listener(ptk_addr_t *addr_out) {
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", addr_out));
    if (got(sock) && good(ptk_sock_set_reuse(sock, true)) &&
        good(ptk_sock_bind(sock, ptk_addr_sockaddr(addr_out), addr_out->length)) &&
        good(ptk_sock_listen(sock, 5)) &&
        good(ptk_sock_local_addr(sock, (struct sockaddr *) &addr_out->storage, &addr_out->length))) {
        return sock;
    }
    ptk_sock_close(sock);
    return NULL;
}

static ptk_sock_t *connected(const ptk_addr_t *addr) {
    ptk_addr_t peer = {.length = sizeof peer.storage};
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (got(sock) && good(ptk_sock_set_nodelay(sock, false)) &&
        good(ptk_tcp_set_keepalive(sock, true, NULL)) && good(ptk_tcp_set_user_timeout(sock, LIMIT_MS)) &&
        good(ptk_sock_connect(sock, ptk_addr_sockaddr(addr), addr->length, LIMIT_MS)) &&
        good(ptk_sock_peer_addr(sock, (struct sockaddr *) &peer.storage, &peer.length))) {
        return sock;
    }
    ptk_sock_close(sock);
    return NULL;
}

/* One receive ends by its timeout, and what it has received is returned by the next one. */
static void converse(ptk_sock_t *sock) {
    char bytes[8];
    size_t count = 0;
    if (good(ptk_sock_send(sock, "01234567", 8, LIMIT_MS)) && good(ptk_sock_recv(sock, bytes, 5, LIMIT_MS))) {
        CHECK(memcmp(bytes, "01234", 5) == 0);
        expect(ptk_sock_recv(sock, bytes, 8, 1), PTK_ERR_TIMEOUT);
        CHECK(seen_count > 0 || ptk_sock_pending(sock) == 3);
        if (good(ptk_sock_recv_some(sock, bytes, 8, &count, LIMIT_MS))) {
            CHECK(memcmp(bytes, "567", count) == 0);
        }
        if (good(ptk_sock_send(sock, big, below_big_bytes(), LIMIT_MS)) &&
            good(ptk_sock_recv(sock, bytes, 3, LIMIT_MS))) {
            CHECK(memcmp(bytes, "end", 3) == 0);
            expect(ptk_sock_recv_some(sock, bytes, 1, &count, LIMIT_MS), PTK_ERR_EOF);
        }
    }
}

static ptk_err client(void *arg) {
    (void) arg;
    ptk_sock_t *sock = connected(&server_addr);
    if (sock) {
        ptk_waitable_t *writable = ptk_sock_waitable(sock, PTK_EVENT_WRITE);
        if (got(writable)) {
            (void) good(ptk_waitable_wait(writable, PTK_EVENT_WRITE, LIMIT_MS));
        }
        converse(sock);
        ptk_sock_close(sock);
    }
    return PTK_OK;
}

static void sockets(void) {
    ptk_event_loop_platform_t *loop = begin();
    ptk_sock_t *sock = loop ? listener(&server_addr) : NULL;
    if (sock) {
        go(accept_two, sock);
        go(client, NULL);
        go(client, NULL);
    }
    end(loop);
}

/* --- sockets that end badly --- */

static ptk_err wait_on_closed(void *arg) {
    char byte;
    expect(ptk_sock_recv(arg, &byte, 1, LIMIT_MS), PTK_ERR_CLOSED);
    return PTK_OK;
}

static ptk_err accept_and_reset(void *arg) {
    ptk_sock_t *sock = ptk_sock_accept(arg, NULL, NULL, LIMIT_MS);
    (void) good(ptk_sleep_ms(1));
    if (got(sock)) {
        ptk_sock_reset(sock);
    }
    ptk_sock_close(arg);
    return PTK_OK;
}

static ptk_err fail_in_all_ways(void *arg) {
    char byte;
    const ptk_addr_t *addr = arg;
    ptk_sock_t *sock = connected(addr);
    if (sock) {
        expect(ptk_sock_recv(sock, &byte, 1, LIMIT_MS), PTK_ERR_RESET);
        ptk_sock_close(sock);
    }
    sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (got(sock)) {
        expect(ptk_sock_connect(sock, ptk_addr_sockaddr(addr), addr->length, LIMIT_MS), PTK_ERR_REFUSED);
        ptk_sock_close(sock);
    }
    return PTK_OK;
}

static ptk_err close_under_a_wait(void *arg) {
    (void) arg;
    ptk_addr_t addr;
    ptk_sock_t *door = listener(&addr);
    ptk_sock_t *sock = door ? connected(&addr) : NULL;
    ptk_sock_t *other = sock ? ptk_sock_accept(door, NULL, NULL, LIMIT_MS) : NULL;
    if (sock && got(other)) {
        go(wait_on_closed, other);
        go(wait_on_closed, sock);
        (void) good(ptk_sleep_ms(1));
    }
    ptk_sock_close(other);
    ptk_sock_close(sock);
    ptk_sock_close(door);
    return PTK_OK;
}

static void endings(void) {
    static ptk_addr_t addr;
    ptk_event_loop_platform_t *loop = begin();
    ptk_sock_t *sock = loop ? listener(&addr) : NULL;
    if (sock) {
        go(accept_and_reset, sock);
        go(fail_in_all_ways, &addr);
        go(close_under_a_wait, NULL);
    }
    end(loop);
}

/* --- waitables --- */

static ptk_err wait_for(void *waitable) {
    (void) good(ptk_waitable_wait(waitable, PTK_EVENT_READ, LIMIT_MS));
    return PTK_OK;
}

static ptk_err wait_for_room(void *waitable) {
    (void) good(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, LIMIT_MS));
    return PTK_OK;
}

static ptk_waitable_t *waitable(ptk_waitable_type_t type, void *handle) {
    ptk_waitable_t *made = ptk_waitable_create(NULL, type, handle);
    return got(made) ? made : NULL;
}

/* Fills the buffers, and again when bytes have moved on to the other end. Returns how many bytes they hold.
 */
static size_t fill(ptk_os_handle_t handle) {
    size_t filled = below_fill(handle);
    (void) good(ptk_sleep_ms(2));
    return filled + below_fill(handle);
}

/* Reads all `filled` bytes, some of which may still be in flight. */
static void empty(ptk_os_handle_t handle, size_t filled) {
    for (bool more = true; more && filled > 0;) {
        size_t got = below_read(handle, 65536);
        filled -= got;
        more = got > 0 || good(ptk_sleep_ms(1));
    }
}

/* Two green threads wait for one descriptor, which becomes readable first and then writable. */
static void share_descriptor(const ptk_os_handle_t fds[2]) {
    size_t filled = fill(fds[0]);
    ptk_waitable_t *reads = waitable(PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fds[0]));
    ptk_waitable_t *writes = waitable(PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fds[0]));
    if (reads && writes) {
        go(wait_for, reads);
        go(wait_for_room, writes);
    }
    (void) good(ptk_sleep_ms(5));
    below_write(fds[1], 1);
    (void) good(ptk_sleep_ms(5));
    empty(fds[1], filled);
    (void) good(ptk_sleep_ms(5));
    ptk_waitable_destroy(writes);
    ptk_waitable_destroy(reads);
}

static ptk_err signal_all(void *arg) {
    ptk_waitable_t **all = arg;
    for (int i = 0; i < 3; i++) {
        ptk_signaler_t *signaler = all[3] ? ptk_waitable_signaler(all[3]) : NULL;
        if (all[3] && got(signaler)) {
            (void) good(ptk_signaler_signal(signaler));
            ptk_signaler_unref(signaler);
        }
        (void) good(ptk_sleep_ms(1));
        if (all[2]) {
            CHECK_EQ(raise(SIGUSR1), 0);
        }
        (void) good(ptk_sleep_ms(1));
    }
    return PTK_OK;
}

static void wait_for_any(ptk_waitable_t *all[4]) {
    ptk_waitable_wait_item_t items[4];
    size_t count = 0;
    size_t index = 0;
    for (size_t i = 0; i < 4; i++) {
        if (all[i]) {
            items[count++] = (ptk_waitable_wait_item_t) {.waitable = all[i], .events = PTK_EVENT_READ};
        }
    }
    for (int i = 0; count > 0 && i < 6; i++) {
        (void) good(ptk_waitable_wait_any(items, count, &index, LIMIT_MS));
    }
}

static ptk_err wait_for_all_types(void *arg) {
    const ptk_timer_spec_t spec = {.first_ns = PTK_NS_PER_MS, .period_ns = PTK_NS_PER_MS};
    static ptk_waitable_t *all[4];
    const ptk_os_handle_t *fds = arg;
    all[0] = waitable(PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fds[1]));
    all[1] = waitable(PTK_WAITABLE_TIMER, (void *) (uintptr_t) &spec);
    all[2] = waitable(PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    all[3] = waitable(PTK_WAITABLE_USER, NULL);
    go(signal_all, all);
    wait_for_any(all);
    if (all[1]) {
        (void) good(ptk_waitable_wait(all[1], PTK_EVENT_READ, LIMIT_MS));
    }
    (void) good(ptk_sleep_ms(20)); /* signal_all has ended */
    for (size_t i = 0; i < 4; i++) {
        ptk_waitable_destroy(all[i]);
    }
    share_descriptor(fds);
    return PTK_OK;
}

static void waitables(void) {
    ptk_os_handle_t fds[2];
    (void) signal(SIGUSR1, SIG_IGN);
    below_pair(fds);
    ptk_event_loop_platform_t *loop = begin();
    if (loop) {
        go(wait_for_all_types, fds);
    }
    end(loop);
    below_close(fds[0]);
    below_close(fds[1]);
}

/* --- green threads --- */

static ptk_err sleep_long(void *arg) {
    (void) arg;
    expect(ptk_sleep_ms(LIMIT_MS), PTK_ERR_CANCELED);
    return PTK_OK;
}

static ptk_err sleep_in_a_shield(void *arg) {
    ptk_shield_t shield;
    (void) arg;
    expect(ptk_sleep_ms(LIMIT_MS), PTK_ERR_CANCELED);
    if (good(ptk_shield_begin(&shield, 10))) {
        (void) good(ptk_sleep_ms(1));
        CHECK_OK(ptk_shield_end(&shield));
    }
    return PTK_OK;
}

static ptk_err keep_a_local(void *arg) {
    static const ptk_green_key_t key = {NULL};
    if (good(ptk_green_set_local(&key, arg))) {
        CHECK_EQ(ptk_green_get_local(&key), arg);
    }
    return ptk_yield();
}

static ptk_err spawn_all(void *arg) {
    static const ptk_green_fn fns[] = {sleep_long, sleep_in_a_shield, keep_a_local, sleep_long};
    static const size_t stacks[] = {0, 0, 200000, 3000000};
    ptk_green_t *greens[4];
    for (size_t i = 0; i < 4; i++) {
        ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
        options.stack_bytes = stacks[i];
        options.lifetime_ms = i == 3 ? 3 : 0;
        greens[i] = ptk_green_spawn(NULL, &options, fns[i], arg);
        (void) got(greens[i]);
    }
    (void) good(ptk_sleep_ms(1));
    for (size_t i = 0; i < 4; i++) {
        if (greens[i] && i < 2) {
            CHECK_OK(ptk_green_cancel(greens[i]));
        }
        if (greens[i]) {
            ptk_err result = PTK_OK;
            (void) (good(ptk_green_join(greens[i], &result, LIMIT_MS)) && good(result));
        }
    }
    return PTK_OK;
}

static ptk_err yield_some(void *arg) {
    (void) arg;
    return ptk_sleep_ms(1);
}

static void greens(void) {
    ptk_event_loop_platform_t *loop = begin();
    if (loop) {
        go(spawn_all, &loop);
        for (int i = 0; i < 80; i++) {
            go(yield_some, NULL);
        }
    }
    end(loop);
}

/* Destroys a loop with green threads that have not ended, one of them behind a shield. */
static void destroyed(void) {
    ptk_event_loop_platform_t *loop = begin();
    if (loop) {
        go(sleep_long, NULL);
        go(sleep_in_a_shield, NULL);
        for (int i = 0; i < 3; i++) {
            (void) good(ptk_scheduler_poll(loop, 0, NULL));
        }
    }
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    below_clock_end();
}

/* --- a loop that the program polls, and its dump --- */

static ptk_err dump_myself(void *arg) {
    (void) good(ptk_scheduler_dump_on_signal(NULL, SIGUSR2));
    (void) good(ptk_sleep_ms(1));
    CHECK_EQ(raise(SIGUSR2), 0);
    (void) good(ptk_sleep_ms(1));
    (void) good(ptk_scheduler_dump(arg));
    return PTK_OK;
}

static void outside(void) {
    (void) signal(SIGUSR2, SIG_IGN);
    ptk_event_loop_platform_t *loop = begin();
    ptk_err err = PTK_OK;
    if (loop) {
        ptk_os_handle_t watched = ptk_event_loop_platform_fd(loop);
        (void) (watched != PTK_OS_HANDLE_NONE || ptk_get_err() == PTK_ERR_NOT_SUPPORTED ||
                good(ptk_get_err()));
        ptk_poll_entry_t entry;
        size_t count = 0;
        (void) good(ptk_event_loop_platform_poll_set(loop, &entry, 1, &count));
        go(dump_myself, loop);
        for (int i = 0; i < 30 && err != PTK_ERR_DONE; i++) {
            uint32_t next_ms = 0;
            err = ptk_scheduler_poll(loop, LIMIT_MS, &next_ms);
            (void) (err == PTK_ERR_DONE || good(err));
            below_clock_advance(next_ms == PTK_TIMEOUT_INFINITE ? 0 : next_ms * PTK_NS_PER_MS);
        }
        (void) good(ptk_scheduler_stop(loop));
    }
    end(loop);
}

/* A failed creation of a loop is repeated; a failed wait for a descriptor that cannot be watched is not. */
static void refused(void) {
    ptk_event_loop_platform_t *loop = begin();
    ptk_os_handle_t fd = below_always_ready();
    if (!loop) {
        loop = begin();
    }
    if (loop) {
        ptk_waitable_t *file = waitable(PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fd));
        if (file) {
            (void) good(ptk_waitable_wait(file, PTK_EVENT_READ, 0));
        }
        expect(ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGKILL)) ? PTK_OK
                                                                                          : ptk_get_err(),
               PTK_ERR_INVALID_PARAM);
    }
    end(loop);
    below_close(fd);
}

/* --- the table of workloads --- */

const workload_t workloads[] = {
    {"sockets", sockets},     {"endings", endings}, {"waitables", waitables}, {"greens", greens},
    {"destroyed", destroyed}, {"outside", outside}, {"refused", refused},
};
const size_t workload_count = sizeof workloads / sizeof workloads[0];

static void run(const void *argument) {
    const workload_t *workload = argument;
    size_t allocations = ptk_allocations_live();
    workload->run();
    CHECK_EQ(wide_handles(), 0);
    CHECK_EQ(wide_mappings(), 0);
    CHECK_EQ(ptk_allocations_live(), allocations);
}

size_t workload_run(const workload_t *workload) {
    seen_count = 0;
    below_run(run, workload);
    return seen_count;
}

bool workload_succeeds(const workload_t *workload) {
    for (int i = 0; i < 3; i++) {
        if (workload_run(workload) == 0) {
            return true;
        }
    }
    return false;
}
