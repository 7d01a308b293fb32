/* SPDX-License-Identifier: MIT */
/*
 * Random calls: up to 40 green threads make every kind of public call on shared sockets, waitables, green
 * threads, timers, signals, signalers, shields and local values. They close, reset, destroy, abort, cancel
 * and end them at any time, and use the tokens of objects that have ended as well as words that are no
 * tokens. Memory and descriptors run short now and then.
 *
 * A call may return what its header lists and nothing else, and ptk_get_err() must agree with it. At the end
 * the loop stops, and no wait, descriptor or allocation may be left.
 *
 * The seed of each run is printed; PTK_TEST_SEED=N repeats that one.
 */
#include "test_sock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 4, SEEDS_LONG = 100, CALLS = 40000, ROUNDS_MAX = 100000, CALLS_AFTER_CANCEL = 4 };
enum { SOCKS = 12, WAITABLES = 12, GREENS = 16, ADDRS = 3, PAIRS = 3, GREENS_MAX = 40, ITEMS = 6 };

static struct {
    ptk_test_random_t random;
    ptk_sock_t *socks[SOCKS]; /* some of them are closed already, here and below */
    ptk_waitable_t *waitables[WAITABLES];
    ptk_green_t *greens[GREENS];
    ptk_addr_t addrs[ADDRS]; /* of the latest listeners */
    int pairs[PAIRS][2];     /* descriptors of the test's own; -1: closed */
    ptk_signaler_t *signaler;
    size_t living;
    size_t calls_left;
    bool is_scarce; /* memory and descriptors may run short */
} w;

static char buffer[1 << 18]; /* what the bytes are does not matter */

static size_t below(size_t limit) {
    return (size_t) ptk_test_random_below(&w.random, limit);
}

static bool one_in(size_t count) {
    return below(count) == 0;
}

/* --- the checks --- */

/* Checks one result against the list of its header. Without a green thread, NOT_GREEN belongs to each. */
static void check_result(const char *call, ptk_err err, const ptk_err *listed, size_t count) {
    bool found = err == PTK_OK || (err == PTK_ERR_NOT_GREEN && !ptk_green_self());
    for (size_t i = 0; i < count; i++) {
        found = found || listed[i] == err;
    }
    if (!found) {
        ptk_test_failed(__FILE__, __LINE__, "%s returned %s", call, ptk_err_name(err));
    }
    if (err != PTK_OK && err != ptk_get_err()) {
        ptk_test_failed(__FILE__, __LINE__, "%s returned %s and recorded %s", call, ptk_err_name(err),
                        ptk_err_name(ptk_get_err()));
    }
}

#define LISTED(call, err, ...)                                                                               \
    check_result(call, err, (const ptk_err[]) {__VA_ARGS__},                                                 \
                 sizeof((const ptk_err[]) {__VA_ARGS__}) / sizeof(ptk_err))

/* Makes a call that returns an error, or a pointer, and checks it. */
#define MAKE(call, ...) LISTED(#call, call, __VA_ARGS__)
#define MAKE_POINTER(pointer, call, ...)                                                                     \
    do {                                                                                                     \
        (pointer) = (call);                                                                                  \
        LISTED(#call, (pointer) ? PTK_OK : ptk_get_err(), __VA_ARGS__);                                      \
    } while (0)

#define OF_HANDLES   PTK_ERR_CLOSED, PTK_ERR_INVALID_PARAM
#define OF_PARKING   PTK_ERR_TIMEOUT, PTK_ERR_CANCELED
#define OF_NETWORK   PTK_ERR_RESET, PTK_ERR_PEER_TIMEOUT, PTK_ERR_UNREACHABLE, PTK_ERR_NETWORK
#define OF_TRANSFERS OF_HANDLES, OF_PARKING, OF_NETWORK, PTK_ERR_NOT_CONNECTED, PTK_ERR_NO_RESOURCES

/* --- arguments --- */

static uint32_t any_timeout(void) {
    static const uint32_t timeouts[] = {0, 0, 0, 1, 1, 2, 3, UINT32_MAX - 1, PTK_TIMEOUT_INFINITE};
    return timeouts[below(sizeof timeouts / sizeof timeouts[0])];
}

static uint32_t short_timeout(void) {
    return (uint32_t) below(3);
}

/* Returns a word that is no token of this loop, seldom; else NULL. */
static void *garbage(void) {
    static const uintptr_t words[] = {0, 1, 2, 3, UINTPTR_MAX, UINTPTR_MAX - 1, UINTPTR_MAX / 3};
    return one_in(50) ? (void *) words[below(sizeof words / sizeof words[0])] : NULL; /* NOLINT */
}

/* Mostly one that is open. */
static ptk_sock_t *any_sock(void) {
    void *word = garbage();
    ptk_sock_t *sock = w.socks[below(SOCKS)];
    for (size_t i = 0; i < 3 && !one_in(5) && ptk_sock_fd(sock) == PTK_OS_HANDLE_NONE; i++) {
        sock = w.socks[below(SOCKS)];
    }
    return word ? word : sock;
}

static ptk_waitable_t *any_waitable(void) {
    void *word = garbage();
    return word ? word : w.waitables[below(WAITABLES)];
}

static ptk_green_t *any_green(void) {
    void *word = garbage();
    return word ? word : w.greens[below(GREENS)];
}

static const struct sockaddr *addr_of(const ptk_addr_t *addr) {
    return ptk_addr_sockaddr(addr);
}

/* Keeps a new socket; what had its place is forgotten or, mostly, ended. */
static void keep_sock(ptk_sock_t *sock) {
    if (!sock) {
        return;
    }
    size_t place = below(SOCKS);
    ptk_sock_reset(w.socks[place]);
    w.socks[place] = sock;
}

static void keep_waitable(ptk_waitable_t *waitable) {
    if (waitable) {
        size_t place = below(WAITABLES);
        ptk_waitable_destroy(w.waitables[place]);
        w.waitables[place] = waitable;
    }
}

static void keep_addr(const ptk_sock_t *listener) {
    ptk_addr_t addr = {.length = sizeof addr.storage};
    if (ptk_sock_local_addr(listener, (struct sockaddr *) &addr.storage, &addr.length) == PTK_OK) {
        w.addrs[below(ADDRS)] = addr;
    }
}

/* --- calls on sockets --- */

static void open_sock(void) {
    ptk_sock_t *sock;
    int type = one_in(20) ? SOCK_DGRAM : SOCK_STREAM;
    MAKE_POINTER(sock, ptk_sock_open(NULL, AF_INET, type, 0), PTK_ERR_NOT_SUPPORTED, PTK_ERR_NO_RESOURCES);
    keep_sock(sock);
}

static void listen_tcp(void) {
    ptk_sock_t *sock;
    const char *text = one_in(20) ? "example.com:1" : "127.0.0.1:0";
    MAKE_POINTER(sock, ptk_tcp_listen(NULL, text, NULL), PTK_ERR_NOT_NUMERIC, PTK_ERR_NO_RESOURCES,
                 PTK_ERR_ADDRESS_IN_USE, PTK_ERR_ADDRESS_NOT_AVAILABLE);
    if (sock) {
        keep_addr(sock);
    }
    keep_sock(sock);
}

static void connect_sock(void) {
    const ptk_addr_t *addr = &w.addrs[below(ADDRS)];
    ptk_sock_t *sock = any_sock();
    MAKE(ptk_sock_connect(sock, addr_of(addr), addr->length, any_timeout()), OF_HANDLES, OF_PARKING,
         OF_NETWORK, PTK_ERR_REFUSED, PTK_ERR_ADDRESS_NOT_AVAILABLE, PTK_ERR_ADDRESS_IN_USE,
         PTK_ERR_NO_RESOURCES, PTK_ERR_BUSY, PTK_ERR_ALREADY_CONNECTED, PTK_ERR_CONNECT_FAILED,
         PTK_ERR_LISTENING);
}

static void connect_tcp(void) {
    char text[PTK_ADDR_TEXT_BYTES];
    const ptk_addr_t *addr = &w.addrs[below(ADDRS)];
    ptk_sock_t *sock;
    CHECK_OK(ptk_addr_format(addr_of(addr), addr->length, text, sizeof text));
    MAKE_POINTER(sock, ptk_tcp_connect(text, any_timeout()), OF_PARKING, OF_NETWORK, PTK_ERR_REFUSED,
                 PTK_ERR_ADDRESS_NOT_AVAILABLE, PTK_ERR_NO_RESOURCES);
    keep_sock(sock);
}

/* Gives a socket buffers that a long send fills. */
static void make_narrow(const ptk_sock_t *sock) {
    ptk_os_handle_t fd = ptk_sock_fd(sock);
    int bytes = 8192;
    if (fd != PTK_OS_HANDLE_NONE && one_in(2)) {
        CHECK_EQ(fd_set_option((int) fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
        CHECK_EQ(fd_set_option((int) fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
    }
}

/* Two sockets that are connected, unless something comes between. */
static void pair_socks(void) {
    char text[PTK_ADDR_TEXT_BYTES];
    ptk_addr_t addr = {.length = sizeof addr.storage};
    ptk_sock_t *listener = ptk_tcp_listen(NULL, "127.0.0.1:0", NULL);
    if (ptk_sock_local_addr(listener, (struct sockaddr *) &addr.storage, &addr.length) == PTK_OK) {
        CHECK_OK(ptk_addr_format(addr_of(&addr), addr.length, text, sizeof text));
        ptk_sock_t *sock = ptk_tcp_connect(text, 2);
        ptk_sock_t *accepted = sock ? ptk_sock_accept(listener, NULL, NULL, 2) : NULL;
        make_narrow(sock);
        make_narrow(accepted);
        keep_sock(sock);
        keep_sock(accepted);
    }
    ptk_sock_close(listener);
}

static void accept_sock(void) {
    ptk_sock_t *sock;
    MAKE_POINTER(sock, ptk_sock_accept(any_sock(), NULL, NULL, any_timeout()), OF_HANDLES, OF_PARKING,
                 PTK_ERR_NO_RESOURCES, PTK_ERR_NOT_LISTENING);
    keep_sock(sock);
}

static void send_sock(void) {
    size_t length = one_in(10) ? sizeof buffer : below(3000);
    ptk_err err = ptk_sock_send(any_sock(), buffer, length, any_timeout());
    LISTED("send", err, OF_TRANSFERS, PTK_ERR_PARTIAL, PTK_ERR_BROKEN, PTK_ERR_WRITE_SHUT);
    if (err == PTK_ERR_PARTIAL) {
        CHECK(ptk_get_count() > 0 && ptk_get_count() < length);
        LISTED("cause of PARTIAL", ptk_get_cause() == PTK_OK ? PTK_OK : PTK_ERR_PARTIAL, PTK_ERR_PARTIAL);
        CHECK(ptk_get_cause() != PTK_OK && ptk_get_cause() != PTK_ERR_PARTIAL);
    }
}

static void send_some_sock(void) {
    size_t length = below(3000);
    size_t sent = SIZE_MAX;
    ptk_err err = ptk_sock_send_some(any_sock(), buffer, length, &sent, any_timeout());
    LISTED("send_some", err, OF_TRANSFERS, PTK_ERR_WRITE_SHUT);
    CHECK(err == PTK_OK ? sent > 0 && sent <= length : sent == 0);
}

static void recv_sock(void) {
    size_t length = below(2000);
    ptk_err err = ptk_sock_recv(any_sock(), buffer, length, any_timeout());
    LISTED("recv", err, OF_TRANSFERS, PTK_ERR_EOF, PTK_ERR_UNEXPECTED_EOF, PTK_ERR_BUSY);
}

static void recv_some_sock(void) {
    size_t length = below(9000);
    size_t received = SIZE_MAX;
    ptk_err err = ptk_sock_recv_some(any_sock(), buffer, length, &received, any_timeout());
    LISTED("recv_some", err, OF_TRANSFERS, PTK_ERR_EOF, PTK_ERR_BUSY);
    CHECK(err == PTK_OK ? received > 0 && received <= length : received == 0);
}

static void bind_sock(void) {
    ptk_addr_t addr = sock_loopback();
    MAKE(ptk_sock_bind(any_sock(), addr_of(&addr), addr.length), OF_HANDLES, PTK_ERR_ADDRESS_IN_USE,
         PTK_ERR_ALREADY_BOUND, PTK_ERR_ALREADY_CONNECTED, PTK_ERR_CONNECT_FAILED, PTK_ERR_NO_RESOURCES,
         PTK_ERR_BUSY);
}

static void listen_sock(void) {
    ptk_sock_t *sock = any_sock();
    ptk_err err = ptk_sock_listen(sock, (int) below(9) - 2);
    LISTED("listen", err, OF_HANDLES, PTK_ERR_NOT_BOUND, PTK_ERR_ADDRESS_IN_USE, PTK_ERR_ALREADY_CONNECTED,
           PTK_ERR_CONNECT_FAILED, PTK_ERR_BUSY);
    if (err == PTK_OK) {
        keep_addr(sock);
    }
}

static void shut_sock(void) {
    ptk_sock_direction_t direction = (ptk_sock_direction_t) below(5);
    MAKE(ptk_sock_shutdown(any_sock(), direction), OF_HANDLES, PTK_ERR_NOT_CONNECTED, PTK_ERR_TIMEOUT);
}

static void end_sock(void) {
    if (one_in(4)) {
        ptk_sock_close(any_sock());
    } else {
        ptk_sock_reset(any_sock());
    }
}

static void look_at_sock(void) {
    ptk_sock_t *sock = any_sock();
    ptk_addr_t addr = {.length = sizeof addr.storage};
    struct sockaddr *storage = (struct sockaddr *) &addr.storage;
    (void) ptk_sock_pending(sock);
    MAKE(ptk_sock_local_addr(sock, storage, &addr.length), OF_HANDLES);
    MAKE(ptk_sock_peer_addr(sock, storage, &addr.length), OF_HANDLES, PTK_ERR_NOT_CONNECTED);
    MAKE(ptk_sock_set_nodelay(sock, one_in(2)), OF_HANDLES);
    MAKE(ptk_sock_set_user(sock, &w), OF_HANDLES);
    ptk_err err = ptk_get_err();
    CHECK(ptk_sock_user(sock) == &w || ptk_get_err() == err);
    CHECK((ptk_sock_fd(sock) == PTK_OS_HANDLE_NONE) == (ptk_sock_user(sock) == NULL));
}

static void lend_waitable(void) {
    ptk_waitable_t *waitable;
    MAKE_POINTER(waitable, ptk_sock_waitable(any_sock(), (uint32_t) below(5)), OF_HANDLES,
                 PTK_ERR_NO_RESOURCES);
    keep_waitable(waitable);
}

/* --- calls on waitables --- */

/* The kernel drops the registration with the descriptor, without a call of ptk that the world would see. */
static void close_end(int *end) {
    if (*end >= 0) {
        CHECK_EQ(fd_close(*end), 0);
        sock_world.watched[*end] = false;
        *end = -1;
    }
}

static void close_pair(int *pair) {
    close_end(&pair[0]);
    close_end(&pair[1]);
}

/* Opens, uses or closes descriptors that waitables may wait for. */
static void use_pair(void) {
    int *pair = w.pairs[below(PAIRS)];
    size_t end = below(2);
    if (pair[end] < 0) {
        close_pair(pair);
        CHECK_EQ(fd_socketpair(pair), 0);
    } else if (one_in(10)) {
        close_end(&pair[end]);
    } else if (one_in(2)) {
        (void) fd_send(pair[end], buffer, 100);
    } else {
        (void) fd_recv(pair[end], buffer, 1000);
    }
}

static void create_waitable(void) {
    ptk_waitable_t *waitable;
    ptk_timer_spec_t spec = {.first_ns = below(3) * 1000000, .period_ns = below(3) * 1000000};
    ptk_waitable_type_t type = (ptk_waitable_type_t) below(4);
    void *const handles[] = {PTK_HANDLE_FD(w.pairs[below(PAIRS)][below(2)]), &spec,
                             PTK_HANDLE_SIGNAL(SIGUSR2), NULL};
    MAKE_POINTER(waitable, ptk_waitable_create(NULL, type, handles[type]), PTK_ERR_INVALID_PARAM,
                 PTK_ERR_NO_RESOURCES);
    keep_waitable(waitable);
}

#define OF_WAITS OF_HANDLES, OF_PARKING, PTK_ERR_ABORTED, PTK_ERR_BUSY, PTK_ERR_NO_RESOURCES

static void wait_for_one(void) {
    uint32_t ready = UINT32_MAX;
    uint64_t count = UINT64_MAX;
    uint32_t events = one_in(3) ? (uint32_t) below(9) : PTK_EVENT_READ;
    ptk_err err = ptk_waitable_wait_for(any_waitable(), events, any_timeout(), &ready, &count);
    LISTED("wait_for", err, OF_WAITS);
    CHECK(err == PTK_OK ? (ready & ~(events | PTK_EVENT_ERROR)) == 0 && ready != 0
                        : ready == 0 && count == 0);
    MAKE(ptk_waitable_wait(any_waitable(), events, any_timeout()), OF_WAITS);
}

static void wait_for_several(void) {
    ptk_waitable_wait_item_t items[ITEMS];
    size_t index = SIZE_MAX;
    size_t count = below(ITEMS + 1);
    for (size_t i = 0; i < count; i++) {
        ptk_waitable_t *waitable = i > 0 && one_in(3) ? items[i - 1].waitable : any_waitable();
        items[i] = (ptk_waitable_wait_item_t) {.waitable = waitable,
                                               .events = one_in(8) ? 1 + (uint32_t) below(3) : 1};
    }
    ptk_err err = ptk_waitable_wait_any(items, count, &index, any_timeout());
    LISTED("wait_any", err, OF_WAITS);
    for (size_t i = 0; err == PTK_OK && i < count; i++) {
        CHECK((items[i].ready_out != 0) == (i == index));
    }
}

static void poke_waitable(void) {
    ptk_waitable_t *waitable = any_waitable();
    MAKE(ptk_waitable_signal(waitable), OF_HANDLES);
    if (one_in(4)) {
        MAKE(ptk_waitable_abort(waitable), OF_HANDLES);
    }
    if (one_in(16)) {
        ptk_waitable_destroy(waitable);
    }
}

static void use_signaler(void) {
    if (!w.signaler) {
        MAKE_POINTER(w.signaler, ptk_waitable_signaler(any_waitable()), OF_HANDLES, PTK_ERR_NO_RESOURCES);
    } else if (one_in(4)) {
        ptk_signaler_unref(w.signaler);
        w.signaler = NULL;
    } else {
        MAKE(ptk_signaler_signal(w.signaler), PTK_ERR_CLOSED);
    }
}

static void raise_signal(void) {
    CHECK_EQ(test_raise(SIGUSR2), 0);
}

/* --- calls on green threads --- */

static ptk_err worker(void *arg);

static void start_green(void) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    ptk_green_t *green;
    if (w.living >= GREENS_MAX) {
        return;
    }
    options.name = one_in(3) ? "named" : NULL;
    options.lifetime_ms = (uint32_t) below(6);
    options.flags = one_in(4) && !test_is_foreign() ? PTK_GREEN_DAEMON | PTK_GREEN_FP : 0;
    MAKE_POINTER(green, ptk_green_spawn(NULL, &options, worker, NULL), PTK_ERR_NO_RESOURCES);
    if (green) {
        w.living++;
        w.greens[below(GREENS)] = green; /* what had its place stays unjoined */
    }
}

static void go_green(void) {
    if (w.living < GREENS_MAX) {
        ptk_err err = ptk_go(NULL, worker, NULL);
        LISTED("go", err, PTK_ERR_NO_RESOURCES);
        w.living += err == PTK_OK;
    }
}

static void end_green(void) {
    ptk_green_t *green = any_green();
    switch (below(4)) {
    case 0:
        MAKE(ptk_green_join(green, NULL, any_timeout()), OF_HANDLES, OF_PARKING, PTK_ERR_BUSY);
        break;
    case 1:
        MAKE(ptk_green_end(green, short_timeout()), OF_HANDLES, PTK_ERR_TIMEOUT, PTK_ERR_BUSY);
        break;
    case 2:
        MAKE(ptk_green_cancel(green), OF_HANDLES);
        break;
    default:
        MAKE(ptk_green_detach(green), OF_HANDLES, PTK_ERR_BUSY);
        break;
    }
}

static void look_at_green(void) {
    ptk_green_t *self = ptk_green_self();
    CHECK(ptk_green_name(any_green()) != NULL);
    if (self) {
        CHECK(ptk_green_name(self)[0] != '\0');
        CHECK_OK(ptk_green_set_user(self, self));
        CHECK(ptk_green_user(self) == self);
        CHECK(ptk_green_join(self, NULL, 0) != PTK_OK);
        MAKE(ptk_green_join(self, NULL, 0), OF_HANDLES);
        CHECK_ERR(ptk_green_end(self, 0), PTK_ERR_INVALID_PARAM);
    }
}

static void pause_green(void) {
    switch (below(3)) {
    case 0:
        MAKE(ptk_yield(), PTK_ERR_CANCELED);
        break;
    case 1:
        MAKE(ptk_sleep_ms(short_timeout()), PTK_ERR_CANCELED);
        break;
    default:
        MAKE(ptk_sleep_until(ptk_now_ns() + below(2000000)), PTK_ERR_CANCELED);
        break;
    }
}

/* --- calls in calls, and the misuse of loops --- */

static void act(void);

static void act_in_shield(void) {
    ptk_shield_t shield;
    ptk_err err = ptk_shield_begin(&shield, short_timeout());
    LISTED("shield_begin", err, PTK_ERR_INVALID_PARAM, PTK_ERR_NO_RESOURCES);
    if (err == PTK_OK) {
        act();
        if (!one_in(10)) { /* else it is left open */
            MAKE(ptk_shield_end(&shield), PTK_ERR_INVALID_PARAM);
        }
    }
}

static void act_at_end(void *value) {
    CHECK(value == &w);
    act();
}

static void set_local(void) {
    static const ptk_green_key_t keys[2] = {{act_at_end}, {NULL}};
    const ptk_green_key_t *key = &keys[below(2)];
    ptk_err err = ptk_green_set_local(key, &w);
    LISTED("set_local", err, PTK_ERR_NO_RESOURCES);
    CHECK(ptk_green_get_local(key) == (err == PTK_OK ? (void *) &w : NULL));
}

static void misuse_loop(void) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_current();
    ptk_scheduler_counters_t counters;
    CHECK_OK(ptk_scheduler_counters(loop, &counters));
    CHECK(ptk_event_loop_platform_create() == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_BUSY);
    if (ptk_green_self()) {
        CHECK_ERR(ptk_scheduler_run(NULL), PTK_ERR_BUSY);
        CHECK_ERR(ptk_scheduler_poll(loop, 1, NULL), PTK_ERR_BUSY);
        CHECK_ERR(ptk_event_loop_platform_destroy(loop), PTK_ERR_BUSY);
    }
    if (one_in(20)) {
        CHECK_OK(ptk_scheduler_dump(NULL));
    }
}

/* --- the run --- */

/* The kinds of calls, and how often each is made. */
static const struct {
    void (*make)(void);
    size_t weight;
} acts[] = {
    {open_sock, 2},     {listen_tcp, 4},    {connect_sock, 3},    {connect_tcp, 2},   {pair_socks, 4},
    {accept_sock, 6},   {send_sock, 12},    {send_some_sock, 8},  {recv_sock, 14},    {recv_some_sock, 10},
    {bind_sock, 2},     {listen_sock, 2},   {shut_sock, 1},       {end_sock, 3},      {look_at_sock, 2},
    {lend_waitable, 6}, {use_pair, 6},      {create_waitable, 6}, {wait_for_one, 12}, {wait_for_several, 12},
    {poke_waitable, 6}, {use_signaler, 3},  {raise_signal, 1},    {start_green, 6},   {go_green, 6},
    {end_green, 5},     {look_at_green, 1}, {pause_green, 6},     {act_in_shield, 5}, {set_local, 2},
    {misuse_loop, 1},
};

static size_t all_weights(void) {
    size_t sum = 0;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        sum += acts[i].weight;
    }
    return sum;
}

static void act(void) {
    if (w.calls_left > 0) {
        size_t i = 0;
        w.calls_left--;
        for (size_t left = below(all_weights()); left >= acts[i].weight; i++) {
            left -= acts[i].weight;
        }
        acts[i].make();
    }
}

static ptk_err worker(void *arg) {
    (void) arg;
    for (size_t more = CALLS_AFTER_CANCEL; w.calls_left > 0 && more > 0 && !one_in(60);) {
        act();
        more -= ptk_cancel_cause() != PTK_CANCEL_NONE;
    }
    w.living--;
    return one_in(2) ? PTK_OK : PTK_ERR_CANCELED;
}

/* Keeps the workers alive and in motion, until all calls are made or time is up; then stops the loop. */
static ptk_err supervise(void *arg) {
    (void) arg;
    for (size_t round = 0; w.calls_left > 0 && round < ROUNDS_MAX; round++) {
        CHECK_OK(ptk_sleep_ms(1));
        go_green();
        poke_waitable();
        if (one_in(4)) {
            end_sock();
        }
        MAKE(ptk_green_cancel(any_green()), OF_HANDLES);
    }
    w.calls_left = 0;
    return ptk_scheduler_stop(NULL);
}

static int64_t scarce_reallocate(ptk_sys_call_t *call) {
    return w.is_scarce && one_in(50) ? ptk_sys_pointer(NULL) : ptk_sys_call_below(call);
}

static int scarce_descriptors(ptk_sys_member_t call, int fd) {
    (void) fd;
    bool opens = call == PTK_SYS_socket || call == PTK_SYS_accept;
    return opens && w.is_scarce && one_in(50) ? -EMFILE : 0;
}

static void check_ended(void) {
    for (size_t i = 0; i < SOCKS; i++) {
        CHECK(!w.socks[i] || ptk_sock_send(w.socks[i], "", 0, 0) == PTK_ERR_CLOSED);
    }
    for (size_t i = 0; i < WAITABLES; i++) {
        CHECK(!w.waitables[i] || ptk_waitable_abort(w.waitables[i]) == PTK_ERR_CLOSED);
    }
    for (size_t i = 0; i < GREENS; i++) {
        CHECK(!w.greens[i] || ptk_green_cancel(w.greens[i]) == PTK_ERR_CLOSED);
    }
}

/* Makes a loop and what the calls begin with. */
static ptk_event_loop_platform_t *begin(uint64_t seed) {
    printf("seed %llu\n", (unsigned long long) seed);
    fflush(stdout); /* a check that fails ends the process on the spot */
    memset(&w, 0, sizeof w);
    w.random.state = seed;
    w.calls_left = CALLS;
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t i = 0; i < PAIRS; i++) {
        CHECK_EQ(fd_socketpair(w.pairs[i]), 0);
    }
    for (size_t i = 0; i < ADDRS; i++) {
        w.socks[i] = sock_listener(2, &w.addrs[i]);
    }
    return loop;
}

static void run_seed(uint64_t seed) {
    ptk_event_loop_platform_t *loop = begin(seed);
    ptk_waitable_t *guard = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR2));
    CHECK(guard != NULL); /* SIGUSR2 must not end the process */
    w.is_scarce = true;
    for (size_t i = 0; i < 100; i++) { /* calls without a green thread */
        act();
        MAKE(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    }
    w.is_scarce = false;
    CHECK_OK(ptk_go(NULL, supervise, NULL));
    w.is_scarce = true;
    CHECK_OK(ptk_scheduler_run(loop));
    w.is_scarce = false;
    CHECK_EQ(w.living, 0);
    test_loop_end(loop);
    check_ended();
    ptk_signaler_unref(w.signaler);
    for (size_t i = 0; i < PAIRS; i++) {
        close_pair(w.pairs[i]);
    }
}

TEST(random_calls_return_what_their_headers_list, ENUMERATES) {
    const char *only = getenv("PTK_TEST_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only ? first : ptk_test_is_long() ? SEEDS_LONG : SEEDS;
    sock_world_begin();
    sock_world_hook(PTK_SYS_heap_reallocate, scarce_reallocate);
    sock_world.before = scarce_descriptors;
    sock_world.tick_ns = 1000;
    test_capture_begin();
    for (uint64_t seed = first; seed <= last; seed++) {
        run_seed(seed);
    }
    test_capture_end();
}
