/* SPDX-License-Identifier: MIT */
/*
 * A coroutine library with a run queue of its own (tasks.h, over libpcl) runs ptk's green threads, and its
 * own tasks call ptk. The library is in charge: a task of it, the pump, polls ptk and waits through the
 * library for what ptk waits for.
 */
#include "embedding/guest.h"
#include "embedding/tasks.h"

#include <pcl.h>
#include <stdlib.h>

/* --- the adapter ---------------------------------------------------------------------------------------- */

static void *current(void *context) {
    (void) context;
    return task_self();
}

static void suspend(void *context) {
    (void) context;
    task_data_t *data = task_data(task_self());
    if (!data->woken) {
        data->asleep = true;
        task_suspend();
    }
    data->woken = data->asleep = false;
}

static void resume(void *context, void *task) {
    (void) context;
    task_data_t *data = task_data(task);
    data->woken = true;
    if (data->asleep) {
        data->asleep = false;
        task_ready(task);
    }
}

static void **slot(void *context, void *task) {
    (void) context;
    return &task_data(task)->slot;
}

static void *spawn(void *context, void (*fn)(void *arg), void *arg) {
    (void) context;
    return task_go(fn, arg);
}

/* --- the pump ------------------------------------------------------------------------------------------- */

static void wait_for_guest(ptk_event_loop_platform_t *loop) {
    guest_wait_t wait = guest_wait(loop);
    struct pollfd *fds = calloc(wait.count, sizeof *fds);
    guest_check(fds ? PTK_OK : PTK_ERR_NO_RESOURCES, "the descriptors");
    for (size_t i = 0; i < wait.count; i++) {
        fds[i].fd = (int) wait.entries[i].handle;
        fds[i].events = guest_poll_bits(wait.entries[i].events);
    }
    task_poll(fds, wait.count, wait.timeout_ms);
    free(fds);
}

/* While other tasks are runnable, it does not wait: they may call ptk, which changes what ptk waits for. */
static void pump(void *loop) {
    while (guest_poll(loop)) {
        if (task_is_alone()) {
            wait_for_guest(loop);
        } else {
            task_yield();
        }
    }
}

/* --- the library's own work ----------------------------------------------------------------------------- */

static unsigned ticks;

/* A task that ptk has not made, and that waits through ptk. */
static void tick(void *arg) {
    (void) arg;
    while (ticks < HOST_TICKS && !ptk_sleep_ms(HOST_TICK_MS)) {
        ticks++;
        task_yield();
    }
    guest_check(ptk_foreign_forget(task_self()), "the end of a task");
}

int main(void) {
    ptk_scheduler_hooks_t hooks = PTK_SCHEDULER_HOOKS(.current = current, .suspend = suspend,
                                                      .resume = resume, .slot = slot, .spawn = spawn);
    co_thread_init();
    ptk_event_loop_platform_t *loop = guest_begin(&hooks);
    bool started = task_go(tick, NULL) && task_go(pump, loop);
    guest_check(started ? PTK_OK : PTK_ERR_NO_RESOURCES, "the tasks");
    task_run();
    co_thread_cleanup();
    return guest_end(loop, ticks, "ticks of a task");
}
