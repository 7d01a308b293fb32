/* SPDX-License-Identifier: MIT */
#include "bench_load_plan.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

bool load_tune(int fd) {
    static const char reno[] = "reno";
    int on = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno) - 1) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}
