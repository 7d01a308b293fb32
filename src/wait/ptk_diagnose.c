/* SPDX-License-Identifier: MIT */
/* The dump that hangs on a signal (layer 5): a daemon green thread that waits for it, like any user's. */
#include <ptk_diagnose.h>

#include <ptk_green.h>
#include <ptk_scheduler.h>
#include <ptk_waitable.h>

static ptk_err dump_whenever(void *arg) {
    ptk_waitable_t *signal = arg;
    ptk_err err;
    while ((err = ptk_waitable_wait(signal, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)) == PTK_OK) {
        PTK_IGNORE(ptk_scheduler_dump(NULL)); /* the current loop runs this, so it cannot fail */
    }
    ptk_waitable_destroy(signal);
    return err;
}

ptk_err ptk_scheduler_dump_on_signal(ptk_event_loop_platform_t *loop, int signo) {
    const ptk_green_options_t options = {
        .struct_size = sizeof options, .flags = PTK_GREEN_DAEMON, .name = "dump on signal"};
    ptk_waitable_t *signal = ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(signo));
    if (!signal) {
        return ptk_get_err();
    }
    ptk_green_t *green = ptk_green_spawn(loop, &options, dump_whenever, signal);
    if (!green) {
        ptk_err err = ptk_get_err();
        ptk_waitable_destroy(signal);
        return err;
    }
    return ptk_green_detach(green);
}
