/* SPDX-License-Identifier: MIT */
/*
 * The client of a load: bare epoll, one process. It exits with 0 if all went well, also after the server has
 * closed its side. Its own speed matters little, because the server's processor time is what is measured.
 */
#include "bench_load_client.h"
#include "bench_tools.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct peer {
    int fd;
    size_t received; /* of the message that is under way */
} peer_t;

typedef struct client {
    const load_plan_t *plan;
    peer_t *peers;
    char *block;
    int epoll;
    size_t open;
    uint64_t phase_ends_ns;
    uint32_t phase;
} client_t;

static _Noreturn void fail(void) {
    _exit(1);
}

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !load_tune(fd) ||
        connect(fd, (struct sockaddr *) (void *) &address, sizeof(address)) != 0) {
        fail();
    }
    return fd;
}

static void connect_all(client_t *client, uint16_t port) {
    static const uint32_t interest[] = {
        [LOAD_ECHO] = EPOLLIN | EPOLLET, [LOAD_SINK] = EPOLLOUT, [LOAD_SOURCE] = EPOLLIN};
    for (size_t index = 0; index < client->plan->connections; index++) {
        peer_t *peer = &client->peers[index];
        peer->fd = connect_to(port);
        struct epoll_event event = {.events = interest[client->plan->kind], .data.ptr = peer};
        if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0) {
            fail();
        }
    }
    client->open = client->plan->connections;
}

static void close_peer(client_t *client, peer_t *peer) {
    (void) close(peer->fd);
    peer->fd = -1;
    client->open--;
}

static void send_message(const client_t *client, const peer_t *peer) {
    if (send(peer->fd, client->block, LOAD_MESSAGE_BYTES, MSG_NOSIGNAL) != LOAD_MESSAGE_BYTES) {
        fail();
    }
}

static void echo_step(const client_t *client, peer_t *peer) {
    ssize_t received = recv(peer->fd, client->block, LOAD_MESSAGE_BYTES - peer->received, MSG_DONTWAIT);
    if (received <= 0) {
        fail();
    }
    peer->received += (size_t) received;
    if (peer->received == LOAD_MESSAGE_BYTES) {
        peer->received = 0;
        send_message(client, peer);
    }
}

static void sink_step(const client_t *client, const peer_t *peer) {
    ssize_t sent = send(peer->fd, client->block, LOAD_BLOCK_BYTES, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        fail();
    }
}

static void source_step(client_t *client, peer_t *peer) {
    ssize_t received = recv(peer->fd, client->block, LOAD_BLOCK_BYTES, MSG_DONTWAIT);
    if (received == 0) {
        close_peer(client, peer);
    } else if (received < 0 && errno != EAGAIN) {
        fail();
    }
}

static void step(client_t *client, peer_t *peer) {
    switch (client->plan->kind) {
    case LOAD_ECHO:
        echo_step(client, peer);
        break;
    case LOAD_SINK:
        sink_step(client, peer);
        break;
    case LOAD_SOURCE:
        source_step(client, peer);
        break;
    }
}

static void advance_phase(client_t *client, uint64_t now_ns) {
    if (client->phase < LOAD_DONE && now_ns >= client->phase_ends_ns) {
        client->phase++;
        client->phase_ends_ns = now_ns + client->plan->measured_ns;
        atomic_store_explicit(&client->plan->page->phase, client->phase, memory_order_release);
    }
}

/* A source closes its connections itself; the other kinds go on until the server has seen the last phase. */
static bool is_over(const client_t *client) {
    bool seen = atomic_load_explicit(&client->plan->page->seen, memory_order_acquire) == LOAD_DONE;
    return client->plan->kind == LOAD_SOURCE ? client->open == 0 : seen;
}

static void drive(client_t *client) {
    struct epoll_event events[LOAD_EVENTS];
    uint64_t now_ns = bench_now_ns();
    uint64_t limit_ns = now_ns + LOAD_LIMIT_NS;
    client->phase_ends_ns = now_ns + client->plan->warm_up_ns;
    while (!is_over(client)) {
        int count = epoll_wait(client->epoll, events, LOAD_EVENTS, 1000);
        for (int index = 0; index < count; index++) {
            step(client, events[index].data.ptr);
        }
        now_ns = bench_now_ns();
        advance_phase(client, now_ns);
        if (now_ns > limit_ns) {
            fail();
        }
    }
}

_Noreturn void load_client(const load_plan_t *plan, uint16_t port) {
    client_t client = {.plan = plan};
    client.peers = calloc(plan->connections, sizeof(*client.peers));
    client.block = calloc(1, LOAD_BLOCK_BYTES);
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!client.peers || !client.block || client.epoll < 0) {
        fail();
    }
    connect_all(&client, port);
    for (size_t index = 0; index < plan->connections && plan->kind == LOAD_ECHO; index++) {
        send_message(&client, &client.peers[index]);
    }
    drive(&client);
    _exit(0);
}
