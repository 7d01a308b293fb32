/* SPDX-License-Identifier: MIT */
#include "embedding/guest.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS        3
#define ECHOES         40 /* of each client */
#define POLLS_PER_ECHO 10 /* more than an echo has events */
#define TIMEOUT_MS     10000

static const char message[] = "hello, guest";

static struct {
    char address[PTK_ADDR_TEXT_BYTES];
    ptk_sock_t *listener;
    unsigned clients; /* that have not ended */
    unsigned echoes;
    unsigned polls;
} guest;

void guest_check(ptk_err err, const char *what) {
    if (err) {
        fprintf(stderr, "%s: %s\n", what, ptk_err_text(err));
        exit(EXIT_FAILURE);
    }
}

/* --- the green threads ---------------------------------------------------------------------------------- */

static ptk_err serve(void *arg) {
    ptk_sock_t *sock = arg;
    char bytes[sizeof message];
    ptk_err err = PTK_OK;
    while (!err) {
        err = ptk_sock_recv(sock, bytes, sizeof bytes, TIMEOUT_MS);
        if (!err) {
            err = ptk_sock_send(sock, bytes, sizeof bytes, TIMEOUT_MS);
        }
    }
    ptk_sock_close(sock);
    return err; /* PTK_ERR_EOF: the client has ended */
}

static ptk_err accept_all(void *arg) {
    (void) arg;
    ptk_sock_t *sock;
    while ((sock = ptk_sock_accept(guest.listener, NULL, NULL, PTK_TIMEOUT_INFINITE)) != NULL) {
        guest_check(ptk_go(NULL, serve, sock), "a connection");
    }
    return ptk_get_err() == PTK_ERR_CLOSED ? PTK_OK : ptk_get_err(); /* the last client closes the listener */
}

static ptk_err echo_once(ptk_sock_t *sock) {
    char bytes[sizeof message] = "";
    ptk_err err = ptk_sock_send(sock, message, sizeof message, TIMEOUT_MS);
    if (!err) {
        err = ptk_sock_recv(sock, bytes, sizeof bytes, TIMEOUT_MS);
    }
    if (!err && memcmp(bytes, message, sizeof bytes) == 0) {
        guest.echoes++;
    }
    return err ? err : ptk_sleep_ms(1);
}

static ptk_err be_client(void *arg) {
    (void) arg;
    ptk_sock_t *sock = ptk_tcp_connect(guest.address, TIMEOUT_MS);
    ptk_err err = sock ? PTK_OK : ptk_get_err();
    for (int i = 0; i < ECHOES && !err; i++) {
        err = echo_once(sock);
    }
    ptk_sock_close(sock);
    if (--guest.clients == 0) {
        ptk_sock_close(guest.listener);
    }
    return err;
}

/* --- for the host --------------------------------------------------------------------------------------- */

static ptk_err start(ptk_event_loop_platform_t *loop) {
    ptk_addr_t address = {.length = sizeof address.storage};
    guest.listener = ptk_tcp_listen(loop, "127.0.0.1:0", NULL);
    ptk_err err = guest.listener ? PTK_OK : ptk_get_err();
    if (!err) {
        err = ptk_sock_local_addr(guest.listener, (struct sockaddr *) &address.storage, &address.length);
    }
    if (!err) {
        err =
            ptk_addr_format(ptk_addr_sockaddr(&address), address.length, guest.address, sizeof guest.address);
    }
    if (!err) {
        err = ptk_go(loop, accept_all, NULL);
    }
    for (guest.clients = 0; guest.clients < CLIENTS && !err; guest.clients++) {
        err = ptk_go(loop, be_client, NULL);
    }
    return err;
}

ptk_event_loop_platform_t *guest_begin(const ptk_scheduler_hooks_t *hooks) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    guest_check(loop ? PTK_OK : ptk_get_err(), "the loop");
    if (hooks) {
        guest_check(ptk_scheduler_set_hooks(loop, hooks), "the hooks");
    }
    guest_check(start(loop), "the guest");
    return loop;
}

guest_wait_t guest_wait(ptk_event_loop_platform_t *loop) {
    static ptk_poll_entry_t *entries;
    static size_t capacity;
    size_t count = 0;
    uint32_t next_ms = 0;
    ptk_err err;
    while ((err = ptk_event_loop_platform_poll_set(loop, entries, capacity, &count)) ==
               PTK_ERR_NO_RESOURCES &&
           count > capacity) {
        free(entries);
        capacity = 2 * count;
        entries = calloc(capacity, sizeof *entries);
        guest_check(entries ? PTK_OK : PTK_ERR_NO_RESOURCES, "the poll set");
    }
    guest_check(err, "the poll set");
    guest_check(ptk_scheduler_next_ms(loop, &next_ms), "the time to wait");
    int limit_ms = next_ms < INT_MAX ? (int) next_ms : INT_MAX;
    return (guest_wait_t) {entries, count, next_ms == PTK_TIMEOUT_INFINITE ? -1 : limit_ms};
}

short guest_poll_bits(uint32_t events) {
    int bits = 0;
    bits |= events & PTK_EVENT_READ ? POLLIN : 0;
    bits |= events & PTK_EVENT_WRITE ? POLLOUT : 0;
    bits |= events & PTK_EVENT_HANGUP ? POLLRDHUP : 0;
    bits |= events & PTK_EVENT_PRIORITY ? POLLPRI : 0;
    return (short) bits;
}

bool guest_poll(ptk_event_loop_platform_t *loop) {
    guest.polls++;
    ptk_err err = ptk_scheduler_poll(loop, 0, NULL);
    guest_check(err == PTK_ERR_DONE ? PTK_OK : err, "poll");
    return !err;
}

int guest_end(ptk_event_loop_platform_t *loop, unsigned count, const char *what) {
    guest_check(ptk_event_loop_platform_destroy(loop), "the end of the loop");
    printf("%u echoes beside %u %s\n", guest.echoes, count, what);
    if (guest.polls > CLIENTS * ECHOES * POLLS_PER_ECHO) {
        fprintf(stderr, "ptk was polled %u times\n", guest.polls);
        return EXIT_FAILURE;
    }
    return guest.echoes == CLIENTS * ECHOES ? EXIT_SUCCESS : EXIT_FAILURE;
}
