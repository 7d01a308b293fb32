/* SPDX-License-Identifier: MIT */
/*
 * ptk in libuv. Where the loop has a descriptor, libuv watches that alone. Elsewhere libuv watches, before
 * each of its waits, what ptk waits for then.
 */
#include "embedding/guest.h"

#include <stdlib.h>
#include <uv.h>

static ptk_event_loop_platform_t *loop;

static void free_handle(uv_handle_t *handle) {
    free(handle);
}

static void *new_handle(size_t bytes) {
    void *handle = calloc(1, bytes);
    guest_check(handle ? PTK_OK : PTK_ERR_NO_RESOURCES, "a handle");
    return handle;
}

/* --- with a descriptor ---------------------------------------------------------------------------------- */

static void poll_guest(uv_poll_t *poll, int status, int events) {
    (void) status;
    (void) events;
    if (!guest_poll(loop)) {
        uv_close((uv_handle_t *) poll, free_handle);
    }
}

static void watch_descriptor(ptk_os_handle_t fd) {
    uv_poll_t *poll = new_handle(sizeof *poll);
    uv_poll_init(uv_default_loop(), poll, (int) fd);
    uv_poll_start(poll, UV_READABLE, poll_guest);
}

/* --- on any platform ------------------------------------------------------------------------------------ */

static uv_prepare_t prepare;
static uv_check_t check;
static uv_timer_t limit;
static uv_poll_t *watched; /* a list over `data` */

static void ignore_event(uv_poll_t *poll, int status, int events) {
    (void) poll;
    (void) status;
    (void) events;
}

static void ignore_timer(uv_timer_t *timer) {
    (void) timer;
}

static void watch(ptk_poll_entry_t entry) {
    int events = 0;
    events |= entry.events & PTK_EVENT_READ ? UV_READABLE : 0;
    events |= entry.events & PTK_EVENT_WRITE ? UV_WRITABLE : 0;
    events |= entry.events & PTK_EVENT_HANGUP ? UV_DISCONNECT : 0;
    events |= entry.events & PTK_EVENT_PRIORITY ? UV_PRIORITIZED : 0;
    uv_poll_t *poll = new_handle(sizeof *poll);
    uv_poll_init(uv_default_loop(), poll, (int) entry.handle);
    uv_poll_start(poll, events, ignore_event);
    poll->data = watched;
    watched = poll;
}

static void before_wait(uv_prepare_t *handle) {
    (void) handle;
    guest_wait_t wait = guest_wait(loop);
    for (size_t i = 0; i < wait.count; i++) {
        watch(wait.entries[i]);
    }
    if (wait.timeout_ms >= 0) {
        uv_timer_start(&limit, ignore_timer, (uint64_t) wait.timeout_ms, 0);
    }
}

/* Stops watching before the poll, in which ptk may close descriptors. */
static void after_wait(uv_check_t *handle) {
    for (uv_poll_t *poll; (poll = watched) != NULL;) {
        watched = poll->data;
        uv_close((uv_handle_t *) poll, free_handle);
    }
    uv_timer_stop(&limit);
    if (!guest_poll(loop)) {
        uv_prepare_stop(&prepare);
        uv_check_stop(handle);
    }
}

static void watch_set(void) {
    uv_timer_init(uv_default_loop(), &limit);
    uv_prepare_init(uv_default_loop(), &prepare);
    uv_check_init(uv_default_loop(), &check);
    uv_prepare_start(&prepare, before_wait);
    uv_check_start(&check, after_wait);
}

/* --- the host ------------------------------------------------------------------------------------------- */

static unsigned ticks;

static void tick(uv_timer_t *timer) {
    if (++ticks == HOST_TICKS) {
        uv_timer_stop(timer);
    }
}

int main(void) {
    uv_timer_t timer;
    loop = guest_begin(NULL);
    ptk_os_handle_t fd = ptk_event_loop_platform_fd(loop);
    if (fd != PTK_OS_HANDLE_NONE) {
        watch_descriptor(fd);
    } else {
        watch_set();
    }
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(&timer, tick, HOST_TICK_MS, HOST_TICK_MS);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return guest_end(loop, ticks, "ticks of libuv");
}
