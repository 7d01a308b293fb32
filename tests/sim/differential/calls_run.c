/* SPDX-License-Identifier: MIT */
/*
 * Runs one script on one system table.
 */
#include "calls.h"
#include "scripts.h"

#include "base/ptk_thread.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PORTS_MAX    (CALLS_STEPS * 2)
#define BYTES_MAX    8192
#define EVERY_EVENT  (POLLIN | POLLOUT | POLLRDHUP | POLLPRI)
#define SIMULATED_NS INT64_C(3000000)
#define EXPECTED_NS  INT64_C(5000000) /* without an event; then the line counts as it is */
#define QUIET_NS     INT64_C(2000000)
/* Nothing listens on these: IANA has reserved 225 to 241. Each run takes the next one, because the kernel
   chooses local ports beside each other for connects to one port, so that repeated runs would all meet one
   TIME_WAIT after the other. */
#define UNUSED_PORTS      17
#define UNUSED_PORT_FIRST 225

typedef struct world {
    const ptk_sys_t *sys;
    int family;
    calls_rest_t rest;
    ptk_os_handle_t handles[CALLS_SLOTS];
    uint16_t last_port[CALLS_SLOTS]; /* the local one, also after the close */
    uint16_t ports[PORTS_MAX];       /* as they appeared */
    uint16_t unused_port;            /* where a connect is refused */
    size_t port_count;
    unsigned char next_byte;
    ptk_os_handle_t watch; /* an epoll with every edge; not in the simulation */
} world_t;

/* --- addresses --- */

typedef union address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_storage storage;
} address_t;

typedef enum place { PLACE_LOOPBACK, PLACE_ANY, PLACE_ELSEWHERE } place_t;

static socklen_t make_address(int family, place_t place, uint16_t port, address_t *address_out) {
    static const char *const ipv4[] = {"127.0.0.1", "0.0.0.0", "192.0.2.1"};
    static const char *const ipv6[] = {"::1", "::", "2001:db8::1"};
    *address_out = (address_t) {.any = {.sa_family = (sa_family_t) family}};
    if (family == AF_INET) {
        address_out->ipv4.sin_port = htons(port);
        CHECK(ptk_sys_inet_parse(family, ipv4[place], &address_out->ipv4.sin_addr));
        return sizeof address_out->ipv4;
    }
    address_out->ipv6.sin6_port = htons(port);
    CHECK(ptk_sys_inet_parse(family, ipv6[place], &address_out->ipv6.sin6_addr));
    return sizeof address_out->ipv6;
}

static uint16_t port_of(const address_t *address) {
    return ntohs(address->any.sa_family == AF_INET ? address->ipv4.sin_port : address->ipv6.sin6_port);
}

/* Returns the port's number in this script, from 1 on; 0 stays 0. */
static size_t number_of_port(world_t *world, uint16_t port) {
    size_t i = 0;
    while (i < world->port_count && world->ports[i] != port) {
        i++;
    }
    if (port != 0 && i == world->port_count && i < PORTS_MAX) {
        world->ports[world->port_count++] = port;
    }
    return port != 0 ? i + 1 : 0;
}

static void write_address(world_t *world, scripts_line_t *line, const char *name, int result,
                          const address_t *address, socklen_t length) {
    char text[64] = "?";
    if (result != 0) {
        scripts_write(line, " %s=%d", name, result);
        return;
    }
    (void) ptk_sys_inet_format(address->any.sa_family,
                               address->any.sa_family == AF_INET ? (const void *) &address->ipv4.sin_addr
                                                                 : (const void *) &address->ipv6.sin6_addr,
                               text, sizeof text);
    scripts_write(line, " %s=%s:p%zu/%u", name, text, number_of_port(world, port_of(address)),
                  (unsigned) length);
}

/* Records which port the slot has, if any. */
static void look_at_port(world_t *world, unsigned slot) {
    address_t address = {0};
    socklen_t length = sizeof address;
    if (world->sys->local_name(world->handles[slot], &address.any, &length) == 0 && port_of(&address) != 0) {
        world->last_port[slot] = port_of(&address);
    }
}

/* --- settling, and observing --- */

static bool await_event(world_t *world, int64_t ns) {
    struct epoll_event events[CALLS_SLOTS];
    return world->sys->epoll_wait(world->watch, events, CALLS_SLOTS, ns) > 0;
}

static void rest(world_t *world) {
    if (world->rest == CALLS_REST_SIMULATED) {
        (void) world->sys->poll(NULL, 0, SIMULATED_NS);
    }
    while (world->rest == CALLS_REST_QUIET && await_event(world, QUIET_NS)) {
    }
}

static void write_readiness(world_t *world, scripts_line_t *line) {
    static const struct {
        short bit;
        const char *name;
    } bits[] = {{POLLIN, " in"},   {POLLPRI, " pri"}, {POLLOUT, " out"},
                {POLLERR, " err"}, {POLLHUP, " hup"}, {POLLRDHUP, " rdhup"}};
    for (unsigned slot = 0; slot < CALLS_SLOTS; slot++) {
        struct pollfd entry = {.fd = (int) world->handles[slot], .events = EVERY_EVENT};
        if (entry.fd < 0) {
            continue;
        }
        (void) world->sys->poll(&entry, 1, 0);
        scripts_write(line, "; %u:", slot);
        for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
            scripts_write(line, "%s", entry.revents & bits[i].bit ? bits[i].name : "");
        }
    }
}

/* --- calls --- */

/* Sets TCP_NODELAY, as ptk does on every socket: simulated TCP delays neither data nor ACKs, while Nagle's
   algorithm and a delayed ACK would keep the real network busy for 40 ms. */
static void keep(world_t *world, unsigned slot, ptk_os_handle_t handle) {
    int on = 1;
    world->handles[slot] = handle;
    CHECK_EQ(world->sys->set_option(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    if (world->watch >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET};
        CHECK_EQ(world->sys->epoll_ctl(world->watch, EPOLL_CTL_ADD, handle, &event), 0);
    }
}

static int call_socket(world_t *world, const calls_step_t *step) {
    ptk_os_handle_t handle = -1;
    if (world->handles[step->slot] >= 0) {
        return 1; /* taken: nothing is done */
    }
    int result = world->sys->socket(world->family, SOCK_STREAM, 0, &handle);
    if (result == 0) {
        keep(world, step->slot, handle);
    }
    return result;
}

static int call_bind(world_t *world, const calls_step_t *step) {
    address_t address;
    static const place_t places[] = {PLACE_LOOPBACK, PLACE_ANY,      PLACE_LOOPBACK,
                                     PLACE_ANY,      PLACE_LOOPBACK, PLACE_ELSEWHERE};
    uint16_t port = step->amount < 2 ? 0 : world->last_port[step->other];
    socklen_t length = make_address(world->family, places[step->amount], port, &address);
    return world->sys->bind(world->handles[step->slot], &address.any, length);
}

static int call_connect(world_t *world, const calls_step_t *step) {
    address_t address;
    uint16_t port = world->last_port[step->other] ? world->last_port[step->other] : world->unused_port;
    place_t place = step->amount == 3 ? PLACE_ANY : PLACE_LOOPBACK;
    socklen_t length = make_address(world->family, place, port, &address);
    return world->sys->connect(world->handles[step->slot], &address.any, length);
}

static int call_disconnect(world_t *world, const calls_step_t *step) {
    address_t address = {.any = {.sa_family = AF_UNSPEC}};
    return world->sys->connect(world->handles[step->slot], &address.any, sizeof address.any);
}

static int call_accept(world_t *world, const calls_step_t *step, scripts_line_t *line) {
    unsigned slot = 0;
    address_t address = {0};
    socklen_t length = sizeof address;
    ptk_os_handle_t handle = -1;
    while (slot < CALLS_SLOTS && world->handles[slot] >= 0) {
        slot++;
    }
    if (slot == CALLS_SLOTS) {
        return 1; /* no room: nothing is done */
    }
    int result = world->sys->accept(world->handles[step->slot], &address.any, &length, &handle);
    if (result == 0) {
        keep(world, slot, handle);
        look_at_port(world, slot);
        scripts_write(line, " into %u", slot);
        write_address(world, line, "from", 0, &address, length);
    }
    return result;
}

static int call_send(world_t *world, const calls_step_t *step) {
    unsigned char bytes[BYTES_MAX];
    for (unsigned i = 0; i < step->amount; i++) {
        bytes[i] = (unsigned char) (world->next_byte + i * 7 + i / 256);
    }
    world->next_byte += 31;
    return (int) world->sys->send(world->handles[step->slot], bytes, step->amount);
}

static int call_recv(world_t *world, const calls_step_t *step, scripts_line_t *line) {
    unsigned char bytes[BYTES_MAX];
    uint32_t sum = 0;
    intptr_t result = world->sys->recv(world->handles[step->slot], bytes, step->amount);
    for (intptr_t i = 0; i < result; i++) {
        sum = sum * 31 + bytes[i];
    }
    scripts_write(line, " sum %u", sum);
    return (int) result;
}

static int call_close(world_t *world, unsigned slot, bool aborts) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    ptk_os_handle_t handle = world->handles[slot];
    if (aborts) {
        (void) world->sys->set_option(handle, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    world->handles[slot] = -1;
    return world->sys->close(handle);
}

static int call_reuse(world_t *world, const calls_step_t *step) {
    int on = step->amount != 0;
    return world->sys->set_option(world->handles[step->slot], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

static int call_names(world_t *world, const calls_step_t *step, scripts_line_t *line) {
    address_t address = {0};
    socklen_t length = sizeof address;
    int result = world->sys->local_name(world->handles[step->slot], &address.any, &length);
    write_address(world, line, "local", result, &address, length);
    length = sizeof address;
    int peer_result = world->sys->peer_name(world->handles[step->slot], &address.any, &length);
    write_address(world, line, "peer", peer_result, &address, length);
    return result;
}

static int call_error(world_t *world, const calls_step_t *step, scripts_line_t *line) {
    int error = 0;
    int listens = 0;
    socklen_t length = sizeof error;
    int result = world->sys->get_option(world->handles[step->slot], SOL_SOCKET, SO_ERROR, &error, &length);
    length = sizeof listens;
    (void) world->sys->get_option(world->handles[step->slot], SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
    scripts_write(line, " error %d%s", error, listens ? " listens" : "");
    return result;
}

static int call(world_t *world, const calls_step_t *step, scripts_line_t *line) {
    ptk_os_handle_t handle = world->handles[step->slot];
    switch (step->op) {
    case CALLS_SOCKET:
        return call_socket(world, step);
    case CALLS_BIND:
        return call_bind(world, step);
    case CALLS_LISTEN:
        return world->sys->listen(handle, (int) step->amount);
    case CALLS_CONNECT:
        return call_connect(world, step);
    case CALLS_ACCEPT:
        return call_accept(world, step, line);
    case CALLS_SEND:
        return call_send(world, step);
    case CALLS_RECV:
        return call_recv(world, step, line);
    case CALLS_SHUTDOWN:
        return world->sys->shutdown(handle, (int) step->amount);
    case CALLS_CLOSE:
    case CALLS_ABORT:
        return call_close(world, step->slot, step->op == CALLS_ABORT);
    case CALLS_DISCONNECT:
        return call_disconnect(world, step);
    case CALLS_REUSE:
        return call_reuse(world, step);
    case CALLS_NAMES:
        return call_names(world, step, line);
    default:
        return call_error(world, step, line);
    }
}

static void run_step(world_t *world, const calls_step_t *step, const char *expected, char *text_out) {
    scripts_line_t line = {text_out, CALLS_LINE, 0};
    int result = call(world, step, &line);
    scripts_write(&line, " -> %d", result);
    look_at_port(world, step->slot);
    rest(world);
    size_t head = line.length;
    for (;;) {
        write_readiness(world, &line);
        if (world->rest != CALLS_REST_EXPECTED || !expected || strcmp(text_out, expected) == 0 ||
            strncmp(text_out, expected, head) != 0 || !await_event(world, EXPECTED_NS)) {
            return;
        }
        line.length = head;
    }
}

void calls_run(const calls_script_t *script, calls_rest_t rest, const calls_record_t *expected,
               calls_record_t *record_out) {
    static unsigned runs;
    world_t world = {.sys = ptk_sys(), .family = script->family, .rest = rest, .watch = -1};
    world.unused_port = (uint16_t) (UNUSED_PORT_FIRST + runs++ % UNUSED_PORTS);
    for (unsigned slot = 0; slot < CALLS_SLOTS; slot++) {
        world.handles[slot] = -1;
    }
    if (rest != CALLS_REST_SIMULATED) {
        CHECK_EQ(world.sys->epoll_create(&world.watch), 0);
    }
    for (size_t i = 0; i < script->count; i++) {
        run_step(&world, &script->steps[i], expected ? expected->lines[i] : NULL, record_out->lines[i]);
    }
    for (unsigned slot = 0; slot < CALLS_SLOTS; slot++) {
        if (world.handles[slot] >= 0) {
            (void) call_close(&world, slot, true);
        }
    }
    if (world.watch >= 0) {
        CHECK_EQ(world.sys->close(world.watch), 0);
    }
}
