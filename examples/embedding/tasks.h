/* SPDX-License-Identifier: MIT */
/**
 * @file tasks.h
 * A coroutine library for an example of one: the coroutines of libpcl with a run queue, and a wait for
 * descriptors. It uses nothing of ptk. All functions are for one OS thread.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

/** A coroutine. It is freed when its function has returned. */
typedef struct task task_t;

/** What a user of the library keeps for a task. */
typedef struct task_data {
    void *slot;
    bool asleep;
    bool woken;
} task_data_t;

/** Creates a runnable task that runs fn(arg). NULL: out of memory. */
task_t *task_go(void (*fn)(void *arg), void *arg);

/** Returns the running task, NULL outside tasks. */
task_t *task_self(void);

/** Returns the user's data of a task, zero at first. */
task_data_t *task_data(task_t *task);

/** Suspends the running task until task_ready(). */
void task_suspend(void);

/** Makes a suspended task runnable. */
void task_ready(task_t *task);

/** Lets the other runnable tasks run first. */
void task_yield(void);

/** Returns whether no other task is runnable. */
bool task_is_alone(void);

/** Suspends the running task until a descriptor is ready or the time has passed, as poll(2) does. One task at
 * a time may call it. */
void task_poll(struct pollfd *fds, size_t count, int timeout_ms);

/** Runs tasks until none is runnable and none is in task_poll(). */
void task_run(void);
