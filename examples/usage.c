/* SPDX-License-Identifier: MIT */
/*
 * The pattern of all examples: create a loop, start green threads, run the scheduler. In a green thread every
 * call that would block parks only that green thread, so a client and its server run side by side on this one
 * OS thread, and each is written as if it had the thread for itself.
 */
#include <ptk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 5000

static const char greeting[] = "hello, green thread";

/* Take one connection and send back what it says. */
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

/* Connect, say something, and read it back. */
static ptk_err client(void *arg) {
    const ptk_addr_t *address = arg;
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0); /* NULL: the loop that runs this */
    if (!sock) {
        return ptk_get_err();
    }
    char text[sizeof greeting] = "";
    ptk_err err = ptk_sock_connect(sock, ptk_addr_sockaddr(address), address->length, TIMEOUT_MS);
    if (!err) {
        err = ptk_sock_send(sock, greeting, sizeof greeting, TIMEOUT_MS);
    }
    if (!err) {
        err = ptk_sock_recv(sock, text, sizeof text, TIMEOUT_MS);
    }
    if (!err) {
        printf("the server answered: %s\n", text);
    }
    ptk_sock_close(sock);
    return err;
}

/* A listener on a free port of 127.0.0.1; `address` becomes its address. */
static ptk_sock_t *open_listener(ptk_event_loop_platform_t *loop, ptk_addr_t *address) {
    ptk_sock_t *listener = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    ptk_err err = listener ? ptk_addr_parse("127.0.0.1:0", address) : ptk_get_err();
    if (!err) {
        err = ptk_sock_bind(listener, ptk_addr_sockaddr(address), address->length);
    }
    if (!err) {
        err = ptk_sock_listen(listener, 0);
    }
    if (!err) {
        err = ptk_sock_local_addr(listener, (struct sockaddr *) &address->storage, &address->length);
    }
    if (err) {
        fprintf(stderr, "cannot listen: %s\n", ptk_err_text(err));
        ptk_sock_close(listener);
        return NULL;
    }
    return listener;
}

int main(void) {
    ptk_addr_t address = {0};
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_sock_t *listener = loop ? open_listener(loop, &address) : NULL;
    if (!listener) {
        ptk_event_loop_platform_destroy(loop);
        return EXIT_FAILURE;
    }
    ptk_go(loop, server, listener);
    ptk_green_t *conversation = ptk_green_spawn(loop, NULL, client, &address);
    ptk_scheduler_run(loop); /* returns when both have ended */

    ptk_err answer = PTK_ERR_CANCELED;
    ptk_green_join(conversation, &answer, 0);
    ptk_sock_close(listener);
    ptk_event_loop_platform_destroy(loop);
    return answer ? EXIT_FAILURE : EXIT_SUCCESS;
}
