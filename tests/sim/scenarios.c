/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <stdlib.h>

#define STARTS_MAX 1000 /* of a program without resources */
#define RESPITE_MS 10

bool scenario_exhausts;

ptk_sim_host_t *scenario_host(ptk_sim_t *sim, const char *name, uint32_t flags, ptk_err (*main)(void *arg),
                              void *arg) {
    ptk_sim_host_options_t options = {.struct_size = sizeof options, .flags = flags, .name = name};
    return ptk_sim_host(sim, &options, main, arg);
}

typedef struct body {
    ptk_green_fn fn;
    void *arg;
    ptk_err result;
} body_t;

static ptk_err run_body(void *arg) {
    body_t *body = arg;
    body->result = body->fn(body->arg);
    return PTK_OK;
}

static ptk_err run_once(ptk_green_fn fn, void *arg) {
    body_t body = {fn, arg, PTK_ERR_CANCELED};
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop) {
        return ptk_get_err();
    }
    ptk_err err = ptk_go(loop, run_body, &body);
    if (err == PTK_OK) {
        err = ptk_scheduler_run(loop);
    }
    ptk_err destroyed = ptk_event_loop_platform_destroy(loop);
    PTK_SIM_CHECK(destroyed == PTK_OK);
    if (err != PTK_OK) {
        return err;
    }
    return body.result == PTK_ERR_CANCELED ? PTK_OK : body.result;
}

ptk_err scenario_run(ptk_green_fn fn, void *arg) {
    ptk_err err = run_once(fn, arg);
    for (int i = 0; scenario_is_short(err) && i < STARTS_MAX; i++) {
        err = run_once(fn, arg);
    }
    return err;
}

bool scenario_is_short(ptk_err err) {
    return scenario_exhausts && err == PTK_ERR_NO_RESOURCES;
}

void scenario_shield(ptk_shield_t *shield) {
    ptk_err err;
    do {
        err = ptk_shield_begin(shield, PTK_TIMEOUT_INFINITE);
    } while (scenario_is_short(err));
    PTK_SIM_CHECK(err == PTK_OK);
}

bool scenario_is_network(ptk_err err) {
    switch (err) {
    case PTK_ERR_TIMEOUT:
    case PTK_ERR_CLOSED:
    case PTK_ERR_CANCELED:
    case PTK_ERR_EOF:
    case PTK_ERR_UNEXPECTED_EOF:
    case PTK_ERR_PARTIAL:
    case PTK_ERR_BROKEN:
    case PTK_ERR_REFUSED:
    case PTK_ERR_RESET:
    case PTK_ERR_UNREACHABLE:
    case PTK_ERR_PEER_TIMEOUT:
    case PTK_ERR_NOT_CONNECTED:
    case PTK_ERR_NETWORK:
        return true;
    default:
        return scenario_is_short(err);
    }
}

ptk_sock_t *scenario_listen(const char *address) {
    ptk_addr_t addr;
    bool known = ptk_addr_parse(address, &addr) == PTK_OK;
    PTK_SIM_CHECK(known);
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (sock && ptk_sock_set_reuse(sock, true) == PTK_OK &&
        ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length) == PTK_OK &&
        ptk_sock_listen(sock, 16) == PTK_OK) {
        return sock;
    }
    ptk_sock_close(sock);
    return NULL;
}

ptk_sock_t *scenario_connect(const char *address, uint32_t timeout_ms) {
    ptk_addr_t addr;
    bool known = ptk_addr_parse(address, &addr) == PTK_OK;
    PTK_SIM_CHECK(known);
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (!sock) {
        return NULL;
    }
    ptk_err err = ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, timeout_ms);
    if (err != PTK_OK) {
        PTK_SIM_CHECK(scenario_is_network(err));
        ptk_sock_close(sock);
        return NULL;
    }
    return sock;
}

/* One green thread per connection. */
typedef struct service {
    const char *address;
    void (*serve)(ptk_sock_t *sock);
} service_t;

typedef struct conversation {
    ptk_sock_t *sock;
    void (*serve)(ptk_sock_t *sock);
} conversation_t;

static ptk_err converse(void *arg) {
    conversation_t conversation = *(conversation_t *) arg;
    free(arg);
    conversation.serve(conversation.sock);
    ptk_sock_close(conversation.sock);
    return PTK_OK;
}

static bool start_conversation(ptk_sock_t *sock, void (*serve)(ptk_sock_t *sock)) {
    conversation_t *conversation = malloc(sizeof *conversation);
    if (!conversation) {
        return false;
    }
    *conversation = (conversation_t) {sock, serve};
    if (ptk_go(NULL, converse, conversation) != PTK_OK) {
        free(conversation);
        return false;
    }
    return true;
}

/* Accepts one connection; an accept without resources is tried again after a while. */
static ptk_err accept_one(ptk_sock_t *listener, void (*serve)(ptk_sock_t *sock)) {
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    if (!sock) {
        return scenario_is_short(ptk_get_err()) ? ptk_sleep_ms(RESPITE_MS) : ptk_get_err();
    }
    if (!start_conversation(sock, serve)) {
        ptk_sock_reset(sock);
    }
    return PTK_OK;
}

ptk_err scenario_accept_all(const char *address, void (*serve)(ptk_sock_t *sock)) {
    ptk_sock_t *listener = scenario_listen(address);
    ptk_err err = listener ? PTK_OK : ptk_get_err();
    if (!listener) {
        return err;
    }
    while (err == PTK_OK) {
        err = accept_one(listener, serve);
    }
    PTK_SIM_CHECK(err == PTK_ERR_CANCELED);
    ptk_sock_close(listener);
    return err;
}

static ptk_err run_service(void *arg) {
    const service_t *service = arg;
    return scenario_accept_all(service->address, service->serve);
}

ptk_err scenario_serve(const char *address, void (*serve)(ptk_sock_t *sock)) {
    service_t service = {address, serve};
    return scenario_run(run_service, &service);
}
