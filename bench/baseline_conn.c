/* SPDX-License-Identifier: MIT */
#include "baseline_conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

int baseline_listen(load_t *load) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    struct sockaddr *plain = (struct sockaddr *) (void *) &address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, plain, length) != 0 || listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, plain, &length) != 0 || !load_serve_at(load, ntohs(address.sin_port))) {
        return -1;
    }
    return listener;
}

bool baseline_accept(const load_t *load, int listener, int epoll, void *conns, size_t conn_bytes) {
    int on = 1;
    for (size_t index = 0; index < load->plan.connections; index++) {
        baseline_conn_t *conn = (baseline_conn_t *) (void *) ((char *) conns + index * conn_bytes);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn};
        conn->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        conn->writable = true;
        if (conn->fd < 0 || setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
            return false;
        }
    }
    return true;
}
