/* SPDX-License-Identifier: MIT */
/*
 * ptk in libevent. Where the loop has a descriptor, libevent watches that alone. Elsewhere the host waits in
 * rounds, each with events for what ptk waits for then.
 */
#include "embedding/guest.h"

#include <event2/event.h>
#include <stdlib.h>

static ptk_event_loop_platform_t *loop;

/* --- with a descriptor ---------------------------------------------------------------------------------- */

static void poll_guest(evutil_socket_t fd, short what, void *self) {
    (void) fd;
    (void) what;
    if (!guest_poll(loop)) {
        event_free(*(struct event **) self);
    }
}

static void run_with_descriptor(struct event_base *base, ptk_os_handle_t fd) {
    struct event *readable;
    readable = event_new(base, (evutil_socket_t) fd, EV_READ | EV_PERSIST, poll_guest, &readable);
    event_add(readable, NULL);
    event_base_dispatch(base); /* returns when it has no events left */
}

/* --- on any platform ------------------------------------------------------------------------------------ */

static void ignore(evutil_socket_t fd, short what, void *arg) {
    (void) fd;
    (void) what;
    (void) arg;
}

/* libevent cannot wait for urgent bytes (PTK_EVENT_PRIORITY). */
static struct event *watch(struct event_base *base, ptk_poll_entry_t entry) {
    int bits = 0;
    bits |= entry.events & PTK_EVENT_READ ? EV_READ : 0;
    bits |= entry.events & PTK_EVENT_WRITE ? EV_WRITE : 0;
    bits |= entry.events & PTK_EVENT_HANGUP ? EV_CLOSED : 0;
    struct event *event = event_new(base, (evutil_socket_t) entry.handle, (short) bits, ignore, NULL);
    event_add(event, NULL);
    return event;
}

static void wait_once(struct event_base *base) {
    guest_wait_t wait = guest_wait(loop);
    struct timeval limit = {wait.timeout_ms / 1000, wait.timeout_ms % 1000 * 1000};
    struct event *timer = evtimer_new(base, ignore, NULL);
    struct event **events = calloc(wait.count, sizeof(struct event *));
    guest_check(timer && events ? PTK_OK : PTK_ERR_NO_RESOURCES, "the events");
    for (size_t i = 0; i < wait.count; i++) {
        events[i] = watch(base, wait.entries[i]);
    }
    if (wait.timeout_ms >= 0) {
        evtimer_add(timer, &limit);
    }
    event_base_loop(base, EVLOOP_ONCE);
    for (size_t i = 0; i < wait.count; i++) {
        event_free(events[i]); /* before the poll, in which ptk may close descriptors */
    }
    event_free(timer);
    free(events);
}

static void run_in_rounds(struct event_base *base) {
    do {
        wait_once(base);
    } while (guest_poll(loop));
    event_base_dispatch(base); /* the rest of the host's work */
}

/* --- the host ------------------------------------------------------------------------------------------- */

static unsigned ticks;

static void tick(evutil_socket_t fd, short what, void *timer) {
    (void) fd;
    (void) what;
    if (++ticks == HOST_TICKS) {
        event_del(*(struct event **) timer);
    }
}

int main(void) {
    static const struct timeval period = {0, HOST_TICK_MS * 1000};
    struct event_base *base = event_base_new();
    struct event *timer;
    timer = event_new(base, -1, EV_PERSIST, tick, &timer);
    event_add(timer, &period);
    loop = guest_begin(NULL);
    ptk_os_handle_t fd = ptk_event_loop_platform_fd(loop);
    if (fd != PTK_OS_HANDLE_NONE) {
        run_with_descriptor(base, fd);
    } else {
        run_in_rounds(base);
    }
    event_free(timer);
    event_base_free(base);
    return guest_end(loop, ticks, "ticks of libevent");
}
