/* SPDX-License-Identifier: MIT */
/*
 * TCP listeners and connections from addresses in text form, and the options of TCP (layer 5).
 *
 * The former are short for calls of ptk_sock.h and add no state of their own. If one of these calls fails,
 * the socket is closed, and the error of the call that failed stays in the error slot, because a close that
 * succeeds does not write to it.
 */
#include <ptk_addr.h>
#include <ptk_tcp.h>

#include "base/ptk_thread.h"
#include "base/ptk_options.h"
#include "net/ptk_sock_impl.h"
#include "platform/ptk_platform.h"

/* --- options --- */

/* Returns the living socket that a token names; NULL with the reason recorded. */
static ptk_sock_t *resolve_tcp_sock(const ptk_sock_t *token) {
    ptk_sock_t *sock = ptk_sock_find(token);
    if (!sock) {
        ptk_fail(ptk_token_refusal(token));
    }
    return sock;
}

/* Records the failure of a system call that set an option. */
static ptk_err tcp_option_result(int result) {
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

/* Callers use the macro of the same name, which fills in struct_size. */
#undef ptk_tcp_set_keepalive
ptk_err ptk_tcp_set_keepalive(ptk_sock_t *token, bool on, const ptk_tcp_keepalive_options_t *options) {
    ptk_tcp_keepalive_options_t copy = PTK_TCP_KEEPALIVE_OPTIONS_INIT;
    const ptk_sock_t *sock = resolve_tcp_sock(token);
    if (!sock) {
        return ptk_get_err();
    }
    if (options && (!on || ptk_options_copy(&copy, sizeof copy, options) != PTK_OK)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    const ptk_keepalive_t keepalive = {
        .idle_ms = copy.idle_ms > 0 ? copy.idle_ms : PTK_TCP_KEEPALIVE_IDLE_MS,
        .interval_ms = copy.interval_ms > 0 ? copy.interval_ms : PTK_TCP_KEEPALIVE_INTERVAL_MS,
        .count = copy.count > 0 ? copy.count : PTK_TCP_KEEPALIVE_COUNT,
    };
    const ptk_platform_socket_ops_t *ops = sock->scheduler->loop->ops->sockets;
    return tcp_option_result(ops->set_keepalive(sock->source.handle, on ? &keepalive : NULL));
}

ptk_err ptk_tcp_set_user_timeout(ptk_sock_t *token, uint32_t timeout_ms) {
    const ptk_sock_t *sock = resolve_tcp_sock(token);
    if (!sock) {
        return ptk_get_err();
    }
    const ptk_platform_socket_ops_t *ops = sock->scheduler->loop->ops->sockets;
    return tcp_option_result(ops->set_user_timeout(sock->source.handle, timeout_ms));
}

/* --- listen and connect --- */

static ptk_sock_t *open_tcp(ptk_event_loop_platform_t *loop, const ptk_addr_t *addr) {
    return ptk_sock_open(loop, addr->storage.ss_family, SOCK_STREAM, IPPROTO_TCP);
}

/* Copies the options, or records that they are not valid. */
static ptk_err listen_options_check(const ptk_tcp_listen_options_t *options,
                                    ptk_tcp_listen_options_t *copy_out) {
    *copy_out = (ptk_tcp_listen_options_t) PTK_TCP_LISTEN_OPTIONS_INIT;
    if (options && ptk_options_copy(copy_out, sizeof *copy_out, options) != PTK_OK) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    const uint32_t known_flags = PTK_TCP_LISTEN_NO_REUSE | PTK_TCP_LISTEN_KEEPALIVE;
    if ((copy_out->flags & ~known_flags) != 0 || copy_out->reserved != 0 || copy_out->backlog > INT32_MAX) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    return PTK_OK;
}

/* Binds a socket and makes it a listener. */
static ptk_err listen_at(ptk_sock_t *sock, const ptk_addr_t *addr, const ptk_tcp_listen_options_t *options) {
    ptk_err err = PTK_OK;
    if (options->flags & PTK_TCP_LISTEN_NO_REUSE) {
        err = ptk_sock_set_reuse(sock, false);
    }
    if (err == PTK_OK && (options->flags & PTK_TCP_LISTEN_KEEPALIVE)) {
        err = ptk_tcp_set_keepalive(sock, true, NULL);
    }
    if (err == PTK_OK) {
        err = ptk_sock_bind(sock, ptk_addr_sockaddr(addr), addr->length);
    }
    return err == PTK_OK ? ptk_sock_listen(sock, (int) options->backlog) : err;
}

/* Callers use the macro of the same name, which fills in struct_size. */
#undef ptk_tcp_listen
ptk_sock_t *ptk_tcp_listen(ptk_event_loop_platform_t *loop, const char *address,
                           const ptk_tcp_listen_options_t *options) {
    ptk_tcp_listen_options_t copy;
    ptk_addr_t addr;
    if (listen_options_check(options, &copy) != PTK_OK || ptk_addr_parse(address, &addr) != PTK_OK) {
        return NULL;
    }
    ptk_sock_t *sock = open_tcp(loop, &addr);
    if (sock && listen_at(sock, &addr, &copy) != PTK_OK) {
        ptk_sock_close(sock);
        return NULL;
    }
    ptk_sock_set_place(sock, __builtin_return_address(0));
    return sock;
}

ptk_sock_t *ptk_tcp_connect(const char *address, uint32_t timeout_ms) {
    ptk_addr_t addr;
    if (ptk_addr_parse(address, &addr) != PTK_OK) {
        return NULL;
    }
    ptk_sock_t *sock = open_tcp(NULL, &addr);
    if (sock && ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, timeout_ms) != PTK_OK) {
        ptk_sock_close(sock);
        return NULL;
    }
    ptk_sock_set_place(sock, __builtin_return_address(0));
    return sock;
}
