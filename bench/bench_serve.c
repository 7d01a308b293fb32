/* SPDX-License-Identifier: MIT */
#include "bench_serve.h"

#include <arpa/inet.h>

#define ACCEPT_TIMEOUT_MS 5000

typedef struct acceptor {
    ptk_sock_t *listener;
    size_t connections;
    ptk_green_fn serve;
} acceptor_t;

static ptk_err accept_all(void *argument) {
    const acceptor_t *acceptor = argument;
    ptk_err err = PTK_OK;
    for (size_t index = 0; index < acceptor->connections && err == PTK_OK; index++) {
        ptk_sock_t *sock = ptk_sock_accept(acceptor->listener, NULL, NULL, ACCEPT_TIMEOUT_MS);
        err = sock ? ptk_go(NULL, acceptor->serve, sock) : ptk_get_err();
    }
    ptk_sock_close(acceptor->listener);
    return err;
}

static bool listen_at_loopback(ptk_sock_t *listener, load_t *load) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    struct sockaddr *plain = (struct sockaddr *) (void *) &address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ptk_sock_bind(listener, plain, length) == PTK_OK && ptk_sock_listen(listener, 0) == PTK_OK &&
           ptk_sock_local_addr(listener, plain, &length) == PTK_OK &&
           load_serve_at(load, ntohs(address.sin_port));
}

bool bench_serve(load_t *load, ptk_green_fn serve) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    acceptor_t acceptor = {.connections = load->plan.connections, .serve = serve};
    acceptor.listener = loop ? ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0) : NULL;
    return acceptor.listener && listen_at_loopback(acceptor.listener, load) &&
           ptk_go(loop, accept_all, &acceptor) == PTK_OK && ptk_scheduler_run(loop) == PTK_OK;
}
