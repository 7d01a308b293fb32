/* SPDX-License-Identifier: MIT */
/* Steps of random programs that need no shared object: misuse, texts of addresses, the lives of sockets of
 * their own, reports, and going on after a cancel. Each is a short script whose results are all known. */
#include "programs.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(call, expected) PTK_SIM_CHECK((call) == (expected))

/* Checks a pointer that must be NULL, and why. */
#define EXPECT_NONE(call, expected) PTK_SIM_CHECK(!(call) && ptk_get_err() == (expected))

static void misuse_sockets(void) {
    ptk_sock_t *sock = programs.socks[1].token;
    char bytes[4] = {0};
    size_t count = 0;
    struct sockaddr_storage addr = {0};
    socklen_t length = sizeof addr;
    EXPECT(ptk_sock_recv(sock, NULL, 1, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_recv_some(sock, bytes, 0, &count, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_recv_some(sock, bytes, 4, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_recv_some(sock, NULL, 4, &count, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_send(sock, NULL, 1, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_send_some(sock, bytes, 0, &count, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_send_some(sock, bytes, 4, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_send_some(sock, NULL, 4, &count, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_connect(sock, (struct sockaddr *) &addr, length, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_connect(sock, NULL, 0, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_connect(sock, (struct sockaddr *) &addr, 1, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_recv(NULL, bytes, 4, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_send(NULL, bytes, 4, 1), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_set_user(NULL, NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_close_linger(NULL, 1), PTK_OK);
    EXPECT_NONE(ptk_sock_accept(sock, (struct sockaddr *) &addr, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_sock_accept(NULL, NULL, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_sock_open(NULL, AF_INET, SOCK_DGRAM, 0), PTK_ERR_NOT_SUPPORTED);
    EXPECT_NONE(ptk_sock_open(NULL, AF_UNIX, SOCK_STREAM, 0), PTK_ERR_NOT_SUPPORTED);
    EXPECT_NONE(ptk_sock_open(NULL, AF_INET, SOCK_STREAM, IPPROTO_UDP), PTK_ERR_NOT_SUPPORTED);
}

/* The ones that need a living socket of the first pair. */
static void misuse_living_socket(void) {
    const programs_sock_t *sock = &programs.socks[1];
    socklen_t length = 0;
    if (sock->is_closed) {
        return;
    }
    EXPECT(ptk_sock_shutdown(sock->token, (ptk_sock_direction_t) 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_shutdown(sock->token, (ptk_sock_direction_t) 4), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_local_addr(sock->token, NULL, &length), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_peer_addr(sock->token, NULL, &length), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_sock_bind(sock->token, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_sock_waitable(sock->token, 0), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_sock_waitable(sock->token, 4), PTK_ERR_INVALID_PARAM);
}

static void misuse_waitables(void) {
    const programs_counter_t *counter = programs.slots[0];
    ptk_waitable_wait_item_t item = {.waitable = counter->waitable, .events = PTK_EVENT_WRITE};
    ptk_err expected = counter->is_destroyed ? PTK_ERR_CLOSED : PTK_ERR_INVALID_PARAM;
    EXPECT(ptk_waitable_wait_any(&item, 1, NULL, 1), expected);
    EXPECT(ptk_waitable_wait(counter->waitable, PTK_EVENT_ERROR, 1), expected);
    EXPECT(ptk_waitable_wait_any(NULL, 1, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_waitable_wait_any(&item, 0, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_waitable_wait_any(&item, PTK_WAIT_ANY_MAX + 1, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_waitable_wait(NULL, PTK_EVENT_READ, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_waitable_signal(NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_waitable_abort(NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_signaler_signal(NULL), PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(NULL);
    if (programs.is_short) {
        return;
    }
    EXPECT_NONE(ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, NULL), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(0)), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(-1)), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGKILL)),
                PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(900)), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_waitable_create(NULL, PTK_WAITABLE_USER, &item), PTK_ERR_INVALID_PARAM);
    EXPECT_NONE(ptk_waitable_create(NULL, (ptk_waitable_type_t) 4, NULL), PTK_ERR_INVALID_PARAM);
}

static ptk_err end_at_once(void *arg) {
    return arg ? PTK_OK : PTK_ERR_OS;
}

static void misuse_green_threads(void) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_current();
    static char stack[64];
    ptk_shield_t shield = {{0}};
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    EXPECT_NONE(ptk_green_spawn(NULL, NULL, NULL, NULL), PTK_ERR_INVALID_PARAM);
    options.flags = 8;
    EXPECT_NONE(ptk_green_spawn(NULL, &options, end_at_once, NULL), PTK_ERR_INVALID_PARAM);
    options.flags = 0;
    options.reserved = 1;
    EXPECT_NONE(ptk_green_spawn(NULL, &options, end_at_once, NULL), PTK_ERR_INVALID_PARAM);
    options.reserved = 0;
    options.stack = stack;
    options.stack_bytes = sizeof stack;
    EXPECT_NONE(ptk_green_spawn(NULL, &options, end_at_once, NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_go(NULL, NULL, NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_green_join(NULL, NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_green_cancel(NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_green_detach(NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_green_end(NULL, 0), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_green_set_local(NULL, NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_shield_begin(NULL, 1), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_shield_end(NULL), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_shield_end(&shield), PTK_ERR_INVALID_PARAM);
    EXPECT(ptk_scheduler_run(loop), PTK_ERR_BUSY);
    EXPECT(ptk_scheduler_poll(loop, 1, NULL), PTK_ERR_BUSY);
    EXPECT(ptk_event_loop_platform_destroy(loop), PTK_ERR_BUSY);
    EXPECT_NONE(ptk_event_loop_platform_create(), PTK_ERR_BUSY);
    PTK_SIM_CHECK(ptk_green_name(NULL)[0] == '\0' && ptk_get_err() == PTK_ERR_INVALID_PARAM);
}

void programs_misuse(programs_worker_t *me, const programs_step_t *step) {
    static void (*const scripts[])(void) = {misuse_sockets, misuse_living_socket, misuse_waitables,
                                            misuse_green_threads};
    programs_begin(me, "misuse", 0, false);
    scripts[step->extra % 4]();
    me->last_error = ptk_get_err();
    programs_end(me, PTK_OK);
}

/* --- addresses --- */

typedef struct example {
    const char *text;
    ptk_err err;
    const char *again; /* NULL: the same */
} example_t;

static const example_t examples[] = {
    {"127.0.0.1:7", PTK_OK, NULL},
    {"10.255.0.9:65535", PTK_OK, NULL},
    {"*:0", PTK_OK, "0.0.0.0:0"},
    {"[::1]:502", PTK_OK, NULL},
    {"[fe80::1:9]:1", PTK_OK, NULL},
    {"10.0.0.1", PTK_ERR_NO_PORT, NULL},
    {"[::1]", PTK_ERR_NO_PORT, NULL},
    {"host9:80", PTK_ERR_NOT_NUMERIC, NULL},
    {"h-a.b_c:1", PTK_ERR_NOT_NUMERIC, NULL},
    {"localhost:1", PTK_OK, "127.0.0.1:1"},
    {"10.0.0.1:00080", PTK_OK, "10.0.0.1:80"},
    {"10.0.0.1:", PTK_ERR_NO_PORT, NULL},
    {"10.0.0.1:65536", PTK_ERR_INVALID_PARAM, NULL},
    {"10.0.0.1:x", PTK_ERR_INVALID_PARAM, NULL},
    {"1.2.3:4", PTK_ERR_INVALID_PARAM, NULL},
    {"256.1.1.1:1", PTK_ERR_INVALID_PARAM, NULL},
    {"::1:5", PTK_ERR_INVALID_PARAM, NULL},
    {"[::1:7", PTK_ERR_INVALID_PARAM, NULL},
    {"[*]:1", PTK_ERR_INVALID_PARAM, NULL},
    {"a b:1", PTK_ERR_INVALID_PARAM, NULL},
    {"", PTK_ERR_INVALID_PARAM, NULL},
};

void programs_look_at_texts(programs_worker_t *me, const programs_step_t *step) {
    const example_t *example = &examples[step->extra % (sizeof examples / sizeof examples[0])];
    char text[PTK_ADDR_TEXT_BYTES];
    ptk_addr_t addr = {0};
    programs_begin(me, "texts", 0, false);
    ptk_err err = ptk_addr_parse(example->text, &addr);
    PTK_SIM_CHECK(err == example->err);
    if (err == PTK_OK) {
        const struct sockaddr *sockaddr = ptk_addr_sockaddr(&addr);
        EXPECT(ptk_addr_format(sockaddr, addr.length, text, sizeof text), PTK_OK);
        PTK_SIM_CHECK(strcmp(text, example->again ? example->again : example->text) == 0);
        PTK_SIM_CHECK(ptk_addr_port(sockaddr, addr.length) ==
                      strtoul(strrchr(example->text, ':') + 1, NULL, 10));
        EXPECT(ptk_addr_format(sockaddr, addr.length, text, 3), PTK_ERR_INVALID_PARAM);
    }
    me->last_error = ptk_get_err();
    programs_end(me, PTK_OK);
}

/* --- the lives of sockets of their own --- */

static ptk_addr_t address(const char *text) {
    ptk_addr_t addr = {0};
    PTK_SIM_CHECK(ptk_addr_parse(text, &addr) == PTK_OK);
    return addr;
}

/* From open to a listener to its end. Nothing else can come between, since no call has a timeout. */
static void live_as_listener(const char *text, int family) {
    ptk_addr_t addr = address(text);
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    char byte;
    ptk_sock_t *sock = programs.is_short ? NULL : ptk_sock_open(NULL, family, SOCK_STREAM, 0);
    if (!sock) {
        PTK_SIM_CHECK(programs.is_short);
        return;
    }
    EXPECT(ptk_sock_listen(sock, 1), PTK_ERR_NOT_BOUND);
    EXPECT(ptk_sock_recv(sock, &byte, 1, 0), PTK_ERR_NOT_CONNECTED);
    EXPECT(ptk_sock_send(sock, "x", 1, 0), PTK_ERR_NOT_CONNECTED);
    EXPECT(ptk_sock_peer_addr(sock, (struct sockaddr *) &peer, &length), PTK_ERR_NOT_CONNECTED);
    EXPECT(ptk_sock_shutdown(sock, PTK_SOCK_BOTH), PTK_ERR_NOT_CONNECTED);
    EXPECT_NONE(ptk_sock_accept(sock, NULL, NULL, 0), PTK_ERR_NOT_LISTENING);
    EXPECT(ptk_sock_set_reuse(sock, false), PTK_OK);
    EXPECT(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_OK);
    EXPECT(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_ALREADY_BOUND);
    EXPECT(ptk_sock_listen(sock, 1), PTK_OK);
    EXPECT(ptk_sock_listen(sock, 2), PTK_OK);
    EXPECT(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_ALREADY_BOUND);
    EXPECT(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 0), PTK_ERR_LISTENING);
    EXPECT_NONE(ptk_sock_accept(sock, NULL, NULL, 0), PTK_ERR_TIMEOUT);
    EXPECT(ptk_sock_shutdown(sock, PTK_SOCK_WRITE), PTK_OK);
    EXPECT_NONE(ptk_sock_accept(sock, NULL, NULL, 0), PTK_ERR_TIMEOUT);
    EXPECT(ptk_sock_shutdown(sock, PTK_SOCK_READ), PTK_OK);
    EXPECT_NONE(ptk_sock_accept(sock, NULL, NULL, 0), PTK_ERR_CLOSED);
    EXPECT(ptk_sock_listen(sock, 2), PTK_ERR_CLOSED);
    EXPECT(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 0), PTK_ERR_CLOSED);
    ptk_sock_close(sock);
    EXPECT(ptk_sock_listen(sock, 2), PTK_ERR_CLOSED);
}

/* A connection that nothing accepts: refused, or to itself. */
static void connect_in_vain(programs_worker_t *me, const char *text, int family, bool to_itself) {
    ptk_addr_t addr = address(text);
    ptk_sock_t *sock = ptk_sock_open(NULL, family, SOCK_STREAM, 0);
    if (!sock) {
        PTK_SIM_CHECK(programs.is_short);
        return;
    }
    if (to_itself && ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length) != PTK_OK) {
        PTK_SIM_CHECK(ptk_get_err() == PTK_ERR_ADDRESS_IN_USE);
        ptk_sock_close(sock);
        return;
    }
    ptk_err err = ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 20);
    if (err == PTK_ERR_REFUSED) {
        EXPECT(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 0), PTK_ERR_CONNECT_FAILED);
        EXPECT(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_CONNECT_FAILED);
        EXPECT(ptk_sock_listen(sock, 1), PTK_ERR_CONNECT_FAILED);
        EXPECT(ptk_sock_send(sock, "x", 1, 0), PTK_ERR_NOT_CONNECTED);
    } else {
        PTK_SIM_CHECK(err == PTK_ERR_CANCELED ? programs_may_be_cancelled(me) : programs.is_short);
    }
    ptk_sock_close(sock);
}

void programs_live_alone(programs_worker_t *me, const programs_step_t *step) {
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0",     "127.0.0.1:900",
                                        "[::1]:900",   "127.0.0.1:9", "[::1]:9"};
    char text[32]; /* to itself: at a port of the worker's own */
    size_t i = step->extra % 6;
    int family = i % 2 ? AF_INET6 : AF_INET;
    programs_begin(me, "a socket of its own", 20, true);
    if (i < 2) {
        live_as_listener(texts[i], family);
    } else {
        snprintf(text, sizeof text, i < 4 ? "%s" : "%s%zu", texts[i], me->number);
        connect_in_vain(me, text, family, i >= 4);
    }
    me->last_error = ptk_get_err();
    me->call.must_cancel = false;
    programs_end(me, PTK_OK);
}

/* --- reports --- */

void programs_dump(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    ptk_scheduler_counters_t counters;
    programs_begin(me, "dump", 0, false);
    programs.report_lines = programs.report_greens = programs.report_running = 0;
    EXPECT(ptk_scheduler_dump(NULL), PTK_OK);
    EXPECT(ptk_scheduler_counters(NULL, &counters), PTK_OK);
    PTK_SIM_CHECK(counters.green_threads == programs_living());
    PTK_SIM_CHECK(counters.spawned == programs.worker_count + 1);
    PTK_SIM_CHECK(programs.report_greens == counters.green_threads);
    PTK_SIM_CHECK(programs.report_running == 1);
    PTK_SIM_CHECK(counters.switches > 0 && counters.polls > 0 &&
                  counters.timers_armed >= counters.timers_fired);
    programs_end(me, PTK_OK);
}

/* --- going on after a cancel --- */

/* From the 1,000th refusal in a row on, each takes 1 ms. */
void programs_go_on(programs_worker_t *me, const programs_step_t *step) {
    enum { REFUSALS = 1010 };
    (void) step;
    if (!me->is_requested || me->shield_count > 0 || !programs_must_be_cancelled(me)) {
        return; /* another scope's cancel would begin a new row */
    }
    uint64_t before_ns = ptk_now_ns();
    uint64_t computed_ns = programs.computed_ns;
    for (size_t i = 0; i < REFUSALS && !programs_has_failed(); i++) {
        EXPECT(i % 2 ? ptk_yield() : ptk_sleep_ms(1), PTK_ERR_CANCELED);
    }
    uint64_t passed_ns = ptk_now_ns() - before_ns;
    PTK_SIM_CHECK(passed_ns >= 10 * PTK_NS_PER_MS);
    PTK_SIM_CHECK(passed_ns <= 16 * PTK_NS_PER_MS + (programs.computed_ns - computed_ns));
    me->last_error = PTK_ERR_CANCELED;
    me->is_over = true; /* each further refusal would take 1 ms, too */
}
