/* SPDX-License-Identifier: MIT */
/*
 * ptk in a loop over poll(2), on any platform. Before each wait the loop takes what ptk waits for; after it,
 * whatever has ended it, ptk is polled. The host's own work is a socket pair, through which a byte goes ten
 * times.
 */
#include "embedding/guest.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Waits for a descriptor of the host and for what ptk waits for. Returns whether the host's is ready. */
static bool wait_for_both(ptk_event_loop_platform_t *loop, int own) {
    guest_wait_t wait = guest_wait(loop);
    struct pollfd *fds = calloc(wait.count + 1, sizeof *fds);
    guest_check(fds ? PTK_OK : PTK_ERR_NO_RESOURCES, "the descriptors");
    fds[0] = (struct pollfd) {.fd = own, .events = POLLIN};
    for (size_t i = 0; i < wait.count; i++) {
        fds[i + 1].fd = (int) wait.entries[i].handle;
        fds[i + 1].events = guest_poll_bits(wait.entries[i].events);
    }
    poll(fds, wait.count + 1, wait.timeout_ms);
    bool ready = fds[0].revents;
    free(fds);
    return ready;
}

int main(void) {
    ptk_event_loop_platform_t *loop = guest_begin(NULL);
    int own[2];
    char byte = 'x';
    bool good = socketpair(AF_UNIX, SOCK_STREAM, 0, own) == 0 && write(own[1], &byte, 1) == 1;
    unsigned bytes = 0;
    for (bool living = true; good && (living || bytes < HOST_TICKS);) {
        if (wait_for_both(loop, own[0])) {
            bytes++;
            good = read(own[0], &byte, 1) == 1 && (bytes == HOST_TICKS || write(own[1], &byte, 1) == 1);
        }
        living = guest_poll(loop);
    }
    return good ? guest_end(loop, bytes, "bytes of the host") : EXIT_FAILURE;
}
