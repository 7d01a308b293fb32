/* SPDX-License-Identifier: MIT */
/*
 * The report of a socket that is left open when its loop is destroyed (layer 5): descriptor, state,
 * addresses, and the call that made it. That place is one word per socket, a return address, which costs
 * nothing to speak of and is looked up only here.
 */
#include "net/ptk_sock_impl.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_backtrace.h"
#include <ptk_addr.h>

#define LEAK_PLACE_BYTES 300

static const char *leak_state_text(const ptk_sock_t *sock) {
    static const char *const states[] = {
        [PTK_SOCK_OPEN] = "open",           [PTK_SOCK_BOUND] = "bound",
        [PTK_SOCK_LISTENING] = "listening", [PTK_SOCK_CONNECTING] = "connecting",
        [PTK_SOCK_CONNECTED] = "connected", [PTK_SOCK_FAILED] = "not connected",
        [PTK_SOCK_UNLISTENED] = "shut down"};
    ptk_assert(sock->state < sizeof states / sizeof states[0] && states[sock->state]);
    return states[sock->state];
}

/* Writes `before` and the address that the system states; nothing where it states none. */
static void leak_format_addr(const ptk_sock_t *sock,
                             int (*get)(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen),
                             const char *before, char *text_out, size_t bytes) {
    struct sockaddr_storage addr = {0};
    socklen_t length = sizeof addr;
    char text[PTK_ADDR_TEXT_BYTES];
    text_out[0] = '\0';
    if (get(sock->source.handle, (struct sockaddr *) &addr, &length) == 0 &&
        ptk_addr_format((const struct sockaddr *) &addr, length, text, sizeof text) == PTK_OK) {
        ptk_sys_format(text_out, bytes, "%s%s", before, text);
    }
}

void ptk_sock_report_leak(const ptk_sock_t *sock) {
    const ptk_platform_socket_ops_t *ops = sock->scheduler->loop->ops->sockets;
    char local[PTK_ADDR_TEXT_BYTES + 8];
    char peer[PTK_ADDR_TEXT_BYTES + 8];
    char place[LEAK_PLACE_BYTES];
    leak_format_addr(sock, ops->local_addr, ", ", local, sizeof local);
    leak_format_addr(sock, ops->peer_addr, " to ", peer, sizeof peer);
    ptk_backtrace_describe(sock->opened_at, true, place, sizeof place);
    ptk_report("leak: socket %lld, %s%s%s, was left open; it was made at %s", (long long) sock->source.handle,
               leak_state_text(sock), local, peer, place);
}
