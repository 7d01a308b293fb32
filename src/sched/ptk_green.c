/* SPDX-License-Identifier: MIT */
/*
 * Green threads as users see them (layer 3): go, spawn, join, cancel, detach, sleep.
 *
 * A spawn takes a task (with a warm stack if there is one), prepares a context that enters `enter_native`,
 * and queues the task. `run_green` is the whole life: the body, the destructors of its local values, the end.
 * Its caller never returns: it switches to the next context, and begins the next life on this stack when it
 * is switched to again.
 *
 * With foreign coroutines the library's `spawn` hook makes the stack (ptk_foreign.c); the same life runs on
 * it and returns at the end.
 *
 * A handle belongs to its holder until join, end or detach; that of ptk_go is detached from the start. The
 * running green thread may use its own handle in any case. A join entered the call before it looks the handle
 * up for the last time, because entering may yield.
 */
#include "base/ptk_log_impl.h"
#include "base/ptk_memory.h"
#include "base/ptk_options.h"
#include "sched/ptk_call.h"
#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_foreign_impl.h"
#include "sched/ptk_green_local.h"
#include "sched/ptk_park.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_task.h"
#include "sched/ptk_timer.h"
#include <string.h>

#define GREEN_NAME_BYTES     32
#define SMALLEST_STACK_BYTES 4096

/* --- a life --- */

/* Returns whether a green thread may end with this result without notice: a cancel and the end of a stream
 * are how green threads end that have done their work. */
static bool is_ordinary_end(ptk_err result) {
    return result == PTK_OK || result == PTK_ERR_CANCELED || result == PTK_ERR_EOF;
}

/* Logs the failure of a green thread that is detached: no join will return it. */
static void report_failure(const ptk_task_t *task, ptk_err result) {
    if (ptk_unlikely(task->handle->detached && !is_ordinary_end(result))) {
        ptk_log(PTK_LOG_WARNING, "green thread \"%s\" (%s:%d) ended with %s: %s", task->label.name,
                task->label.file, task->label.line, ptk_err_name(result), ptk_err_text(result));
    }
}

/* Aborts a forked child in which a green thread returns: it would run on the parent's loop. */
static void refuse_forked(const ptk_task_t *task) {
    if (ptk_unlikely(ptk_thread()->scheduler != task->scheduler)) {
        ptk_report("green thread \"%s\" returned in a forked child; leave it with _exit or exec",
                   task->label.name);
        ptk_sys_real.abort();
    }
}

/* Runs one life. `u` holds the start until here and the last wait's outcome from here on. */
static void run_green(ptk_task_t *task) {
    ptk_green_fn fn = task->u.start.fn;
    void *arg = task->u.start.arg;
    task->u.run.waits_count = 0;
    task->u.run.ready = 0;
    task->last_count = 0;
    task->wait.kind = PTK_TASK_KIND_RUN;
    if (ptk_unlikely(task->unusual & PTK_TASK_CXX)) {
        ptk_task_begin_exceptions(task);
    }
    ptk_err result = fn(arg);
    refuse_forked(task);
    if (ptk_unlikely(task->locals != NULL)) {
        ptk_locals_end(task);
    }
    if (ptk_unlikely(task->unusual & PTK_TASK_CXX)) {
        ptk_cxx_exchange(task->scheduler->cxx_place, task->scheduler->cxx_words);
    }
    report_failure(task, result);
    ptk_task_end(task, result);
}

/* The entry of a context of ptk's own. */
static void enter_native(void *argument) {
    ptk_task_t *task = argument;
    ptk_context_entered(&task->context);
    ptk_run_tasks_on_stack(task, run_green);
}

/* The body of a coroutine that the spawn hook made. The library may use the coroutine again afterwards: ptk's
 * slot in it is empty then. */
static void enter_foreign(void *argument) {
    ptk_task_t *task = argument;
    void **slot = ptk_foreign_begin(task);
    run_green(task);
    *slot = NULL;
}

/* --- spawn --- */

/* The arguments of a spawn. */
typedef struct spawn_request {
    ptk_green_options_t options; /* a copy; all zero without options */
    ptk_green_fn fn;
    void *arg;
    ptk_stack_label_t label;
    bool detached; /* no handle is wanted */
} spawn_request_t;

/* Spawns in the ordinary case: no options, and an idle task waits on its warm stack. Returns NULL otherwise.
 */
static inline __attribute__((always_inline)) ptk_task_t *spawn_warm(const ptk_event_loop_platform_t *loop,
                                                                    ptk_green_fn fn, void *arg,
                                                                    const char *name, const char *file,
                                                                    int line) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    if (ptk_unlikely(!scheduler || !fn || (loop && loop != scheduler->loop))) {
        return NULL;
    }
    ptk_task_t *task = ptk_task_take_warm(scheduler);
    if (ptk_likely(task != NULL)) {
        task->label.name = name;
        task->label.file = file;
        task->label.line = line;
        task->u.start.fn = fn;
        task->u.start.arg = arg;
        task->handle->name = name;
        ptk_make_ready(task);
    }
    return task;
}

/* Gives the handle a copy of a given name, which it keeps for as long as it lives. */
static ptk_err keep_name(ptk_task_t *task, const char *name) {
    size_t length = strnlen(name, GREEN_NAME_BYTES - 1);
    char *copy = ptk_allocate(length + 1);
    if (!copy) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    memcpy(copy, name, length);
    copy[length] = '\0';
    task->handle->name_copy = copy;
    task->handle->name = copy;
    task->label.name = copy;
    return PTK_OK;
}

/* Gives the task a stack: one from the pool, or the caller's. */
static ptk_err init_stack(ptk_scheduler_t *scheduler, ptk_task_t *task, const ptk_green_options_t *options) {
    if (options->stack) {
        task->stack_low = options->stack;
        task->stack_high = (char *) options->stack + options->stack_bytes;
        return PTK_OK;
    }
    int os_err = 0;
    task->slot = ptk_stack_alloc(&scheduler->stacks, options->stack_bytes, &task->label, &os_err);
    if (!task->slot) {
        return ptk_fail_os(PTK_ERR_NO_RESOURCES, os_err);
    }
    task->stack_low = task->slot->low;
    task->stack_high = task->slot->high;
    size_t bytes = (size_t) (task->slot->high - task->slot->low);
    task->keeps_stack = scheduler->keeps_stacks && bytes < ptk_stack_default_bytes();
    return PTK_OK;
}

/* Gives the task a context that will run its life. */
static ptk_err start_native(ptk_scheduler_t *scheduler, ptk_task_t *task,
                            const ptk_green_options_t *options) {
    if (task->keeps_stack) {
        return PTK_OK; /* its context stands on the stack and waits for the next life */
    }
    ptk_err err = init_stack(scheduler, task, options);
    if (err == PTK_OK) {
        ptk_context_make(&task->context, task->stack_low, task->stack_high, enter_native, task);
    }
    return err;
}

/* Gives the green thread's whole life a deadline. Room for its timer is kept until it ends. */
static ptk_err limit_life(ptk_scheduler_t *scheduler, ptk_task_t *task, uint32_t lifetime_ms) {
    ptk_deadline_t deadline = ptk_deadline_after_ms(lifetime_ms);
    if (lifetime_ms == 0 || deadline.kind == PTK_DEADLINE_NEVER) {
        return PTK_OK;
    }
    if (!ptk_heap_reserve(&scheduler->heap)) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    task->implicit_scope.has_reservation = true;
    ptk_timer_arm(scheduler, &task->implicit_scope.timer, &deadline);
    return PTK_OK;
}

/* Sets up what may fail. What was set up before a failure is undone by ptk_task_give_back. */
static ptk_err init_green(ptk_scheduler_t *scheduler, ptk_task_t *task, const ptk_green_options_t *options) {
    ptk_err err = options->name ? keep_name(task, options->name) : PTK_OK;
    if (err == PTK_OK) {
        err = limit_life(scheduler, task, options->lifetime_ms);
    }
    if (err == PTK_OK && !scheduler->find_current) {
        err = start_native(scheduler, task, options);
    }
    return err;
}

/* Sets the flags of a task whose setup has succeeded. */
static void set_green_flags(ptk_scheduler_t *scheduler, ptk_task_t *task, uint32_t flags) {
    if (flags & PTK_GREEN_FP) {
        task->unusual |= PTK_TASK_FP;
    }
    if (flags & PTK_GREEN_CXX) {
        ptk_task_keep_exceptions(task);
    }
    if (flags & PTK_GREEN_DAEMON) {
        task->flags |= PTK_TASK_DAEMON;
        scheduler->daemon_count++;
    }
}

/* Queues a task that is set up, on a coroutine that the library makes for it if there are hooks. */
static ptk_err queue_green(ptk_task_t *task) {
    if (task->scheduler->find_current) {
        return ptk_foreign_spawn(task, enter_foreign);
    }
    ptk_make_ready(task);
    return PTK_OK;
}

/* Returns the token of a runnable green thread; NULL with the reason recorded. With hooks it may have ended.
 */
static ptk_green_t *start_green(ptk_scheduler_t *scheduler, const spawn_request_t *request) {
    const ptk_green_options_t *options = &request->options;
    bool ordinary =
        !options->stack && options->stack_bytes <= ptk_stack_default_bytes() && !scheduler->find_current;
    ptk_task_t *task = ptk_task_take(scheduler, ordinary);
    if (!task) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    ptk_green_t *token = ptk_token_of(&task->handle->head);
    task->label = request->label;
    task->handle->name = request->label.name;
    task->handle->detached = request->detached;
    task->u.start.fn = request->fn;
    task->u.start.arg = request->arg;
    ptk_err err = init_green(scheduler, task, options);
    if (err == PTK_OK) {
        set_green_flags(scheduler, task, options->flags);
        err = queue_green(task);
        (void) (err == PTK_OK || ptk_fail(err));
    }
    if (err != PTK_OK) {
        ptk_task_give_back(task);
        return NULL;
    }
    return token;
}

/* Returns OK, or records why no green thread can be started with these arguments. */
static ptk_err check_request(const ptk_scheduler_t *scheduler, const spawn_request_t *request) {
    const ptk_green_options_t *options = &request->options;
    if (!request->fn || (options->flags & ~(PTK_GREEN_FP | PTK_GREEN_DAEMON | PTK_GREEN_CXX)) != 0 ||
        options->reserved != 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (options->stack && options->stack_bytes < SMALLEST_STACK_BYTES) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (scheduler->find_current && !scheduler->hooks.spawn) {
        return ptk_fail(PTK_ERR_NOT_SUPPORTED);
    }
    return PTK_OK;
}

/* Spawns in every case that spawn_warm leaves. The options of `request` are still to be filled in. */
static __attribute__((noinline)) ptk_green_t *
spawn_cold(ptk_event_loop_platform_t *loop, const ptk_green_options_t *options, spawn_request_t request) {
    if (options && ptk_options_copy(&request.options, sizeof request.options, options) != PTK_OK) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err != PTK_OK || check_request(scheduler, &request) != PTK_OK) {
        return NULL;
    }
    return start_green(scheduler, &request);
}

ptk_err ptk_go_at(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg, const char *name,
                  const char *file, int line) {
    ptk_task_t *task = spawn_warm(loop, fn, arg, name, file, line);
    if (ptk_likely(task != NULL)) {
        task->handle->detached = true;
        return PTK_OK;
    }
    const spawn_request_t request = {.fn = fn, .arg = arg, .label = {name, file, line}, .detached = true};
    return spawn_cold(loop, NULL, request) ? PTK_OK : ptk_get_err();
}

ptk_green_t *ptk_green_spawn_at(ptk_event_loop_platform_t *loop, const ptk_green_options_t *options,
                                ptk_green_fn fn, void *arg, const char *name, const char *file, int line) {
    ptk_task_t *task = ptk_unlikely(options != NULL) ? NULL : spawn_warm(loop, fn, arg, name, file, line);
    if (ptk_likely(task != NULL)) {
        return ptk_token_of(&task->handle->head);
    }
    return spawn_cold(loop, options, (spawn_request_t) {.fn = fn, .arg = arg, .label = {name, file, line}});
}

/* --- the functions behind the macros of the same name, without a name and a place --- */

#undef ptk_go
#undef ptk_green_spawn

ptk_err ptk_go(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg) {
    return ptk_go_at(loop, fn, arg, "(unnamed)", "(unknown)", 0);
}

ptk_green_t *ptk_green_spawn(ptk_event_loop_platform_t *loop, const ptk_green_options_t *options,
                             ptk_green_fn fn, void *arg) {
    return ptk_green_spawn_at(loop, options, fn, arg, "(unnamed)", "(unknown)", 0);
}

/* --- handles --- */

/* Returns the record of a living handle of the calling thread's loop, also of one that is detached; NULL:
   ptk_token_refusal states why. */
static ptk_green_t *find_handle(const ptk_green_t *token) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return scheduler ? ptk_token_find(&scheduler->handles, token, PTK_TOKEN_STRIDE(ptk_green_t)) : NULL;
}

/* Returns the record of a handle that its holder may still use: one that is neither joined nor detached. */
static ptk_green_t *resolve_handle(const ptk_green_t *token, ptk_err *err_out) {
    ptk_green_t *green = find_handle(token);
    if (green && !green->detached) {
        *err_out = PTK_OK;
        return green;
    }
    *err_out = green ? PTK_ERR_CLOSED : ptk_token_refusal(token);
    return NULL;
}

/* Waits until the green thread has ended. Returns OK, BUSY, or why the wait ended. An end that came with a
 * timeout or a cancel beats both. */
static ptk_err wait_for_end(ptk_green_t *green, ptk_call_t *call) {
    if (green->joining) {
        return PTK_ERR_BUSY;
    }
    if (!green->task) {
        return PTK_OK;
    }
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_TIMEOUT;
    }
    green->joining = true;
    ptk_list_append(&green->joiners,
                    &ptk_wait_plain(call->self, PTK_WAIT_KIND_JOIN, ptk_token_of(&green->head), false)->link);
    ptk_err code = ptk_park(call->self, &call->deadline);
    green->joining = false;
    return !green->task ? PTK_OK : code;
}

/* Joins inside an entered call, and frees the handle on success. */
static inline ptk_err join_green(ptk_green_t *green, ptk_call_t *call, ptk_err *result_out) {
    if (call->self && green->task == call->self) {
        return PTK_ERR_INVALID_PARAM;
    }
    ptk_err err = wait_for_end(green, call);
    if (err == PTK_OK) {
        if (result_out) {
            *result_out = green->result;
        }
        ptk_task_free_handle(call->scheduler, green);
    }
    return err;
}

/* Joins in the cases that are decided out of line: a handle that is refused, or a call that is not entered by
 * ptk_call_enter_usual and may yield. */
static __attribute__((noinline)) ptk_err join_unusual(const ptk_green_t *token, ptk_err *result_out,
                                                      uint32_t timeout_ms) {
    ptk_call_t call;
    ptk_err err;
    if (!resolve_handle(token, &err)) {
        return err;
    }
    err = ptk_call_enter(&call, ptk_scheduler_here(), timeout_ms);
    ptk_green_t *green = err == PTK_OK ? resolve_handle(token, &err) : NULL;
    return green ? join_green(green, &call, result_out) : err;
}

ptk_err ptk_green_join(ptk_green_t *token, ptk_err *result_out, uint32_t timeout_ms) {
    ptk_call_t call;
    ptk_err err;
    ptk_green_t *green = find_handle(token);
    if (ptk_likely(green && !green->detached &&
                   ptk_call_enter_usual(&call, ptk_scheduler_here(), 0, timeout_ms))) {
        err = join_green(green, &call, result_out);
    } else {
        err = join_unusual(token, result_out, timeout_ms);
    }
    return err == PTK_OK ? PTK_OK : ptk_fail(err);
}

/* Returns true if `token` is the running green thread's own, which may be used although it is detached. */
static bool is_own_handle(const ptk_green_t *token) {
    const ptk_task_t *self = ptk_task_current();
    return self && ptk_token_of(&self->handle->head) == token;
}

ptk_err ptk_green_cancel(ptk_green_t *token) {
    ptk_err err = PTK_OK;
    ptk_green_t *green = is_own_handle(token) ? find_handle(token) : resolve_handle(token, &err);
    if (!green) {
        return ptk_fail(err);
    }
    if (green->task) {
        ptk_scope_cancel(&green->task->implicit_scope, PTK_CANCEL_REQUEST);
    }
    return PTK_OK;
}

ptk_err ptk_green_detach(ptk_green_t *token) {
    ptk_err err;
    ptk_green_t *green = resolve_handle(token, &err);
    if (!green || green->joining) {
        return ptk_fail(green ? PTK_ERR_BUSY : err);
    }
    green->detached = true;
    if (!green->task) {
        ptk_task_free_handle(ptk_scheduler_here(), green);
    }
    return PTK_OK;
}

ptk_green_t *ptk_green_self(void) {
    const ptk_task_t *self = ptk_task_current();
    return self ? ptk_token_of(&self->handle->head) : NULL;
}

/* Returns the record of the caller's own handle or of one that its holder may still use; NULL with the reason
 * recorded. */
static ptk_green_t *resolve_readable(const ptk_green_t *token) {
    ptk_err err = PTK_OK;
    ptk_green_t *green = is_own_handle(token) ? find_handle(token) : resolve_handle(token, &err);
    if (!green) {
        ptk_fail(err);
    }
    return green;
}

const char *ptk_green_name(const ptk_green_t *token) {
    const ptk_green_t *green = resolve_readable(token);
    return green ? green->name : "";
}

ptk_err ptk_green_set_user(ptk_green_t *token, void *user) {
    ptk_green_t *green = resolve_readable(token);
    if (!green) {
        return ptk_get_err();
    }
    green->user = user;
    return PTK_OK;
}

void *ptk_green_user(const ptk_green_t *token) {
    const ptk_green_t *green = resolve_readable(token);
    return green ? green->user : NULL;
}

/* --- sleep --- */

/* Sleeps until `deadline`, which is not NOW. */
static ptk_err sleep_for(ptk_deadline_t deadline) {
    ptk_task_t *self = ptk_task_current();
    if (!self) {
        return ptk_fail(ptk_not_green());
    }
    if (self->unusual & PTK_TASK_CANCELED) {
        return ptk_fail(ptk_refuse(self));
    }
    (void) ptk_wait_plain(self, "sleep", NULL, deadline.kind != PTK_DEADLINE_NEVER);
    ptk_err code = ptk_park(self, &deadline);
    return code == PTK_ERR_TIMEOUT ? PTK_OK : ptk_fail(code);
}

ptk_err ptk_sleep_ms(uint32_t ms) {
    return ms == 0 ? ptk_yield() : sleep_for(ptk_deadline_after_ms(ms));
}

ptk_err ptk_sleep_until(uint64_t deadline_ns) {
    if (deadline_ns <= ptk_now_ns()) {
        return ptk_yield();
    }
    bool never = deadline_ns == PTK_TIME_NEVER;
    return sleep_for(
        (ptk_deadline_t) {.kind = never ? PTK_DEADLINE_NEVER : PTK_DEADLINE_ABSOLUTE, .ns = deadline_ns});
}
