/* SPDX-License-Identifier: MIT */
/*
 * The dump at a signal (layer 4): a daemon green thread that waits for a SIGNAL waitable through public
 * calls, like a user's. It does not run while another one blocks the loop; so the watchdog subscribes to the
 * signal too. The green thread owns the waitable and that subscription, and ends both when it ends.
 */
#include <ptk_diagnose.h>

#include "base/ptk_memory.h"
#include "sched/ptk_scheduler_impl.h"
#include <ptk_green.h>
#include <ptk_scheduler.h>
#include <ptk_waitable.h>

typedef struct dump_on_signal {
    ptk_waitable_t *signal;
    ptk_watchdog_dump_t watched;
} dump_on_signal_t;

static void end_dumps(dump_on_signal_t *dumps) {
    ptk_waitable_destroy(dumps->signal);
    ptk_watchdog_dump_end(&dumps->watched);
    ptk_free(dumps);
}

/* Dumps at each delivery until it is cancelled. */
static ptk_err dump_at_each(void *arg) {
    dump_on_signal_t *dumps = arg;
    ptk_err err;
    while ((err = ptk_waitable_wait(dumps->signal, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)) == PTK_OK) {
        ptk_watchdog_dump_printed(&dumps->watched);
        PTK_IGNORE(ptk_scheduler_dump(NULL)); /* the current loop runs this, so it cannot fail */
    }
    end_dumps(dumps);
    return err;
}

/* Makes what the green thread owns. The watchdog's subscription comes first: its count is then never behind
 * what the green thread has seen. Returns NULL with the reason recorded. */
static dump_on_signal_t *begin_dumps(ptk_event_loop_platform_t *loop, int signo) {
    ptk_scheduler_t *scheduler = NULL;
    if (ptk_scheduler_attach(loop, &scheduler) != PTK_OK) {
        return NULL;
    }
    dump_on_signal_t *dumps = ptk_allocate_zeroed(sizeof *dumps);
    if (!dumps) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    if (ptk_watchdog_dump_begin(scheduler, &dumps->watched, signo) != PTK_OK) {
        ptk_free(dumps);
        return NULL;
    }
    dumps->signal = ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(signo));
    if (!dumps->signal) {
        ptk_watchdog_dump_end(&dumps->watched);
        ptk_free(dumps);
        return NULL;
    }
    return dumps;
}

ptk_err ptk_scheduler_dump_on_signal(ptk_event_loop_platform_t *loop, int signo) {
    const ptk_green_options_t options = {
        .struct_size = sizeof options, .flags = PTK_GREEN_DAEMON, .name = "dump on signal"};
    dump_on_signal_t *dumps = begin_dumps(loop, signo);
    if (!dumps) {
        return ptk_get_err();
    }
    ptk_green_t *green = ptk_green_spawn(loop, &options, dump_at_each, dumps);
    if (!green) {
        ptk_err err = ptk_get_err();
        end_dumps(dumps);
        return err;
    }
    return ptk_green_detach(green);
}
