/* SPDX-License-Identifier: MIT */
/*
 * The pattern of all examples: create a loop, start green threads, run the scheduler. In a green thread every
 * call that would block parks only that green thread, so a client and its server run side by side on this one
 * OS thread, and each is written as if it had the thread for itself.
 */
#include <ptk.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 5000

static const char greeting[] = "hello, green thread";

/* Takes one connection and sends back the bytes that come. */
static ptk_err server(void *arg) {
    ptk_sock_t *listener = arg;
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, TIMEOUT_MS);
    if (!sock) {
        return ptk_get_err();
    }
    char text[sizeof greeting];
    ptk_err err = ptk_sock_recv(sock, text, sizeof text, TIMEOUT_MS);
    if (!err) {
        err = ptk_sock_send(sock, text, sizeof text, TIMEOUT_MS);
    }
    ptk_sock_close(sock);
    return err;
}

/* Connects, sends a text, and reads it back. */
static ptk_err client(void *arg) {
    const char *address = arg;
    char text[sizeof greeting] = "";
    ptk_sock_t *sock = ptk_tcp_connect(address, TIMEOUT_MS);
    if (!sock) {
        return ptk_get_err();
    }
    ptk_err err = ptk_sock_send(sock, greeting, sizeof greeting, TIMEOUT_MS);
    if (!err) {
        err = ptk_sock_recv(sock, text, sizeof text, TIMEOUT_MS);
    }
    if (!err) {
        printf("the server answered: %s\n", text);
    }
    ptk_sock_close(sock);
    return err;
}

/* Writes the address of a listener as text. */
static ptk_err read_address(const ptk_sock_t *listener, char *text_out, size_t text_bytes) {
    ptk_addr_t address = {.length = sizeof address.storage};
    ptk_err err = ptk_sock_local_addr(listener, (struct sockaddr *) &address.storage, &address.length);
    return err ? err : ptk_addr_format(ptk_addr_sockaddr(&address), address.length, text_out, text_bytes);
}

/* Opens a listener on a free port of 127.0.0.1 and runs a conversation with it. */
static ptk_err run_both(ptk_event_loop_platform_t *loop) {
    char address[PTK_ADDR_TEXT_BYTES];
    ptk_sock_t *listener = ptk_tcp_listen(loop, "127.0.0.1:0", NULL);
    ptk_err err = listener ? read_address(listener, address, sizeof address) : ptk_get_err();
    if (!err) {
        err = ptk_go(loop, server, listener);
    }
    ptk_green_t *conversation = err ? NULL : ptk_green_spawn(loop, NULL, client, address);
    if (!err) {
        err = conversation ? ptk_scheduler_run(loop) : ptk_get_err(); /* returns when both have ended */
    }
    if (!err) {
        ptk_err result = PTK_OK;
        err = ptk_green_join(conversation, &result, 0);
        err = err ? err : result;
    }
    ptk_sock_close(listener);
    return err;
}

int main(void) {
    ptk_event_loop_platform_t *loop =
        ptk_event_loop_platform_create_with(&PTK_EVENT_LOOP_PLATFORM_OPTIONS(.watchdog_ms = 1000));
    ptk_err err = loop ? run_both(loop) : ptk_get_err();
    ptk_err destroyed = ptk_event_loop_platform_destroy(loop);
    if (err || destroyed) {
        fprintf(stderr, "usage: %s\n", ptk_err_text(err ? err : destroyed));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
