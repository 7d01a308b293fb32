/* SPDX-License-Identifier: MIT */
/*
 * The reverse: ptk drives libuv. A green thread waits for the descriptor of libuv's loop, for as long as
 * libuv's timers allow, and lets libuv do what there is to do.
 */
#include "embedding/guest.h"

#include <uv.h>

static unsigned ticks;

static ptk_err wait_for_uv(uv_loop_t *uv, ptk_waitable_t *events) {
    int timeout_ms = uv_backend_timeout(uv); /* -1: no limit; 0: there is work now */
    if (timeout_ms == 0) {
        return ptk_yield();
    }
    ptk_err err = ptk_waitable_wait(events, PTK_EVENT_READ,
                                    timeout_ms < 0 ? PTK_TIMEOUT_INFINITE : (uint32_t) timeout_ms);
    return err == PTK_ERR_TIMEOUT ? PTK_OK : err;
}

/* Returns when libuv has no work left. */
static ptk_err drive(void *arg) {
    uv_loop_t *uv = arg;
    ptk_waitable_t *events = ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(uv_backend_fd(uv)));
    ptk_err err = events ? PTK_OK : ptk_get_err();
    while (!err && uv_run(uv, UV_RUN_NOWAIT)) {
        err = wait_for_uv(uv, events);
    }
    ptk_waitable_destroy(events);
    return err;
}

static void tick(uv_timer_t *timer) {
    if (++ticks == HOST_TICKS) {
        uv_timer_stop(timer);
    }
}

int main(void) {
    uv_timer_t timer;
    ptk_event_loop_platform_t *loop = guest_begin(NULL);
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(&timer, tick, HOST_TICK_MS, HOST_TICK_MS);
    guest_check(ptk_go(loop, drive, uv_default_loop()), "the driver");
    guest_check(ptk_scheduler_run(loop), "run");
    return guest_end(loop, ticks, "ticks of libuv");
}
