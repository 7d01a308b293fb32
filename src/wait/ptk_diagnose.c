/* SPDX-License-Identifier: MIT */
/*
 * The dump at a signal (layer 4): a daemon green thread that waits for a SIGNAL waitable through public
 * calls, like a user's. The green thread owns the waitable and destroys it when it ends.
 */
#include <ptk_diagnose.h>

#include <ptk_green.h>
#include <ptk_scheduler.h>
#include <ptk_waitable.h>

/* Dumps at each delivery until it is cancelled. */
static ptk_err dump_at_each(void *arg) {
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
    ptk_green_t *green = ptk_green_spawn(loop, &options, dump_at_each, signal);
    if (!green) {
        ptk_err err = ptk_get_err();
        ptk_waitable_destroy(signal);
        return err;
    }
    return ptk_green_detach(green);
}
