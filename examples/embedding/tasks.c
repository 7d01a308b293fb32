/* SPDX-License-Identifier: MIT */
#include "embedding/tasks.h"

#include <pcl.h>
#include <stdlib.h>

#define STACK_BYTES (64 * 1024)

struct task {
    coroutine_t coroutine;
    void (*fn)(void *arg);
    void *arg;
    bool ended;
    task_t *next; /* in the run queue */
    task_data_t data;
};

static struct {
    task_t *first; /* the run queue */
    task_t *last;
    task_t *running;
    task_t *polling; /* in task_poll, whose arguments follow */
    struct pollfd *fds;
    size_t count;
    int timeout_ms;
} library;

static void run_life(void *arg) {
    task_t *task = arg;
    task->fn(task->arg);
    task->ended = true;
    co_resume(); /* task_run frees it */
}

task_t *task_go(void (*fn)(void *arg), void *arg) {
    task_t *task = calloc(1, sizeof *task);
    if (!task) {
        return NULL;
    }
    task->coroutine = co_create(run_life, task, NULL, STACK_BYTES);
    if (!task->coroutine) {
        free(task);
        return NULL;
    }
    task->fn = fn;
    task->arg = arg;
    task_ready(task);
    return task;
}

task_t *task_self(void) {
    return library.running;
}

task_data_t *task_data(task_t *task) {
    return &task->data;
}

void task_suspend(void) {
    co_resume(); /* to task_run */
}

void task_ready(task_t *task) {
    task->next = NULL;
    *(library.first ? &library.last->next : &library.first) = task;
    library.last = task;
}

void task_yield(void) {
    task_ready(library.running);
    task_suspend();
}

bool task_is_alone(void) {
    return !library.first;
}

void task_poll(struct pollfd *fds, size_t count, int timeout_ms) {
    library.polling = library.running;
    library.fds = fds;
    library.count = count;
    library.timeout_ms = timeout_ms;
    task_suspend();
}

static void run_next(void) {
    task_t *task = library.first;
    library.first = task->next;
    library.running = task;
    co_call(task->coroutine);
    library.running = NULL;
    if (task->ended) {
        co_delete(task->coroutine);
        free(task);
    }
}

void task_run(void) {
    while (library.first || library.polling) {
        if (library.first) {
            run_next();
        } else {
            poll(library.fds, library.count, library.timeout_ms);
            task_ready(library.polling);
            library.polling = NULL;
        }
    }
}
