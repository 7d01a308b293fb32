/* SPDX-License-Identifier: MIT */
/*
 * Calls from where they are not allowed: another OS thread, outside a green thread, a forked child. Each is a
 * clear error in every build, and leaves the object unchanged.
 */
#include "conformance.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One of each object that belongs to a loop. */
typedef struct objects {
    ptk_event_loop_platform_t *loop;
    ptk_green_t *green; /* parked on `user` */
    ptk_waitable_t *user;
    ptk_waitable_t *timer;
    ptk_waitable_t *readable;
    ptk_signaler_t *signaler;
    int fds[2];
} objects_t;

static ptk_err wait_for(void *user) {
    return test_wait(user, PTK_TIMEOUT_INFINITE);
}

static ptk_err answer_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

static void objects_init(objects_t *objects) {
    objects->loop = test_loop();
    test_pipe(objects->fds);
    objects->user = test_user();
    objects->timer = test_timer_waitable(3600 * 1000, 0);
    objects->readable = test_fd_waitable(objects->fds[0]);
    objects->signaler = ptk_waitable_signaler(objects->user);
    objects->green = test_spawn(wait_for, objects->user);
    CHECK_OK(ptk_scheduler_poll(objects->loop, 0, NULL));
}

/* The objects are unchanged: the green thread still exists, and its own event wakes it. */
static void objects_fini(objects_t *objects) {
    ptk_err result = PTK_ERR_OS;
    CHECK_STR(ptk_green_name(objects->green), "wait_for");
    CHECK_ERR(ptk_green_join(objects->green, NULL, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(objects->user, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(objects->timer, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(objects->readable, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_signal(objects->user));
    test_run();
    CHECK_OK(ptk_green_join(objects->green, &result, 0));
    CHECK_OK(result);
    ptk_waitable_destroy(objects->user);
    ptk_waitable_destroy(objects->timer);
    ptk_waitable_destroy(objects->readable);
    ptk_signaler_unref(objects->signaler);
    test_close_pair(objects->fds);
    test_loop_end(objects->loop);
}

/* --- every public function with an object of another loop ----------------------------------------------- */

/* Returns what the call returns; for a call without an error, ptk_get_err(). */
typedef ptk_err (*misuse_t)(objects_t *objects);

static ptk_err misuse_run(objects_t *objects) {
    return ptk_scheduler_run(objects->loop);
}

static ptk_err misuse_poll(objects_t *objects) {
    return ptk_scheduler_poll(objects->loop, 0, NULL);
}

static ptk_err misuse_stop(objects_t *objects) {
    return ptk_scheduler_stop(objects->loop);
}

static ptk_err misuse_dump(objects_t *objects) {
    return ptk_scheduler_dump(objects->loop);
}

static ptk_err misuse_dump_on_signal(objects_t *objects) {
    return ptk_scheduler_dump_on_signal(objects->loop, SIGUSR1);
}

static ptk_err misuse_counters(objects_t *objects) {
    ptk_scheduler_counters_t counters = PTK_SCHEDULER_COUNTERS_INIT;
    return ptk_scheduler_counters(objects->loop, &counters);
}

static void *hook_pointer(void *context) {
    return context;
}

static void hook_suspend(void *context) {
    (void) context;
}

static void hook_resume(void *context, void *coroutine) {
    (void) context;
    (void) coroutine;
}

static void **hook_slot(void *context, void *coroutine) {
    (void) coroutine;
    return context;
}

static ptk_err misuse_set_hooks(objects_t *objects) {
    ptk_scheduler_hooks_t hooks = PTK_SCHEDULER_HOOKS_INIT;
    hooks.current = hook_pointer;
    hooks.suspend = hook_suspend;
    hooks.resume = hook_resume;
    hooks.slot = hook_slot;
    return ptk_scheduler_set_hooks(objects->loop, &hooks);
}

static ptk_err misuse_destroy(objects_t *objects) {
    return ptk_event_loop_platform_destroy(objects->loop);
}

static ptk_err misuse_name(objects_t *objects) {
    CHECK(ptk_event_loop_platform_name(objects->loop) == NULL);
    return ptk_get_err();
}

static ptk_err misuse_fd(objects_t *objects) {
    CHECK(ptk_event_loop_platform_fd(objects->loop) == PTK_OS_HANDLE_NONE);
    return ptk_get_err();
}

static ptk_err misuse_poll_set(objects_t *objects) {
    size_t count = 0;
    return ptk_event_loop_platform_poll_set(objects->loop, NULL, 0, &count);
}

static ptk_err misuse_next_ms(objects_t *objects) {
    uint32_t next_ms = 0;
    return ptk_scheduler_next_ms(objects->loop, &next_ms);
}

static ptk_err misuse_go(objects_t *objects) {
    return ptk_go(objects->loop, answer_ok, NULL);
}

static ptk_err misuse_spawn(objects_t *objects) {
    CHECK(ptk_green_spawn(objects->loop, NULL, answer_ok, NULL) == NULL);
    return ptk_get_err();
}

static ptk_err misuse_join(objects_t *objects) {
    return ptk_green_join(objects->green, NULL, PTK_TIMEOUT_INFINITE);
}

static ptk_err misuse_join_zero(objects_t *objects) {
    return ptk_green_join(objects->green, NULL, 0);
}

static ptk_err misuse_cancel(objects_t *objects) {
    return ptk_green_cancel(objects->green);
}

static ptk_err misuse_detach(objects_t *objects) {
    return ptk_green_detach(objects->green);
}

static ptk_err misuse_end(objects_t *objects) {
    return ptk_green_end(objects->green, PTK_TIMEOUT_INFINITE);
}

static ptk_err misuse_end_zero(objects_t *objects) {
    return ptk_green_end(objects->green, 0);
}

static ptk_err misuse_set_user(objects_t *objects) {
    return ptk_green_set_user(objects->green, objects);
}

static ptk_err misuse_user(objects_t *objects) {
    CHECK(ptk_green_user(objects->green) == NULL);
    return ptk_get_err();
}

static ptk_err misuse_wait_for(objects_t *objects) {
    uint32_t ready = 1;
    ptk_err err = ptk_waitable_wait_for(objects->user, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE, &ready, NULL);
    CHECK_EQ(ready, 0);
    return err;
}

static ptk_err misuse_wait_for_zero(objects_t *objects) {
    return ptk_waitable_wait_for(objects->user, PTK_EVENT_READ, 0, NULL, NULL);
}

static ptk_err misuse_tcp_listen(objects_t *objects) {
    CHECK(ptk_tcp_listen(objects->loop, "127.0.0.1:0", NULL) == NULL);
    return ptk_get_err();
}

static ptk_err misuse_waitable_create(objects_t *objects) {
    CHECK(ptk_waitable_create(objects->loop, PTK_WAITABLE_USER, NULL) == NULL);
    return ptk_get_err();
}

static ptk_err misuse_wait(objects_t *objects) {
    return test_wait(objects->user, PTK_TIMEOUT_INFINITE);
}

static ptk_err misuse_wait_zero(objects_t *objects) {
    return test_wait(objects->user, 0);
}

static ptk_err misuse_wait_timer(objects_t *objects) {
    return test_wait(objects->timer, 0);
}

static ptk_err misuse_wait_descriptor(objects_t *objects) {
    return test_wait(objects->readable, 0);
}

static ptk_err misuse_wait_any(objects_t *objects) {
    size_t index = 0;
    ptk_waitable_wait_item_t items[] = {
        {.waitable = objects->timer, .events = PTK_EVENT_READ},
        {.waitable = objects->user, .events = PTK_EVENT_READ},
    };
    return ptk_waitable_wait_any(items, 2, &index, 0);
}

static ptk_err misuse_signal(objects_t *objects) {
    return ptk_waitable_signal(objects->user);
}

static ptk_err misuse_abort(objects_t *objects) {
    return ptk_waitable_abort(objects->user);
}

static ptk_err misuse_signaler(objects_t *objects) {
    CHECK(ptk_waitable_signaler(objects->user) == NULL);
    return ptk_get_err();
}

static const struct {
    const char *name;
    misuse_t call;
} misuses[] = {
    {"ptk_scheduler_run", misuse_run},
    {"ptk_scheduler_poll", misuse_poll},
    {"ptk_scheduler_stop", misuse_stop},
    {"ptk_scheduler_dump", misuse_dump},
    {"ptk_scheduler_dump_on_signal", misuse_dump_on_signal},
    {"ptk_scheduler_counters", misuse_counters},
    {"ptk_scheduler_set_hooks", misuse_set_hooks},
    {"ptk_event_loop_platform_destroy", misuse_destroy},
    {"ptk_event_loop_platform_name", misuse_name},
    {"ptk_event_loop_platform_fd", misuse_fd},
    {"ptk_event_loop_platform_poll_set", misuse_poll_set},
    {"ptk_scheduler_next_ms", misuse_next_ms},
    {"ptk_go", misuse_go},
    {"ptk_green_spawn", misuse_spawn},
    {"ptk_green_join", misuse_join},
    {"ptk_green_join, timeout 0", misuse_join_zero},
    {"ptk_green_cancel", misuse_cancel},
    {"ptk_green_detach", misuse_detach},
    {"ptk_green_end", misuse_end},
    {"ptk_green_end, timeout 0", misuse_end_zero},
    {"ptk_green_set_user", misuse_set_user},
    {"ptk_green_user", misuse_user},
    {"ptk_tcp_listen", misuse_tcp_listen},
    {"ptk_waitable_create", misuse_waitable_create},
    {"ptk_waitable_wait", misuse_wait},
    {"ptk_waitable_wait, timeout 0", misuse_wait_zero},
    {"ptk_waitable_wait_for", misuse_wait_for},
    {"ptk_waitable_wait_for, timeout 0", misuse_wait_for_zero},
    {"ptk_waitable_wait on a TIMER", misuse_wait_timer},
    {"ptk_waitable_wait on a SOCKET", misuse_wait_descriptor},
    {"ptk_waitable_wait_any", misuse_wait_any},
    {"ptk_waitable_signal", misuse_signal},
    {"ptk_waitable_abort", misuse_abort},
    {"ptk_waitable_signaler", misuse_signaler},
};

/* Every function must return `expected`, and leave it in ptk_get_err(). */
static void misuse_all(objects_t *objects, ptk_err expected) {
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        if (expected == PTK_ERR_FORKED && misuses[i].call == misuse_destroy) {
            continue; /* a forked child may destroy what it inherited: destroy_in_child */
        }
        ptk_err err = misuses[i].call(objects);
        if (err != expected || ptk_get_err() != expected) {
            ptk_test_failed(__FILE__, __LINE__, "%s: got %s (ptk_get_err %s), expected %s", misuses[i].name,
                            ptk_err_name(err), ptk_err_name(ptk_get_err()), ptk_err_name(expected));
        }
    }
    ptk_waitable_destroy(objects->user); /* returns nothing; must do nothing */
    ptk_waitable_destroy(objects->timer);
    ptk_waitable_destroy(objects->readable);
    CHECK_STR(ptk_green_name(objects->green), "");
}

/* --- another thread ------------------------------------------------------------------------------------- */

static void *misuse_on_a_thread_without_a_loop(void *objects) {
    misuse_all(objects, PTK_ERR_WRONG_THREAD);
    return NULL;
}

static void *misuse_on_a_thread_with_a_loop(void *objects) {
    ptk_event_loop_platform_t *loop = test_loop();
    misuse_all(objects, PTK_ERR_WRONG_THREAD);
    CHECK_EQ(test_counters().green_threads, 0);
    misuse_all(objects, PTK_ERR_WRONG_THREAD);
    test_loop_end(loop);
    return NULL;
}

static ptk_err misuse_in_green(void *objects) {
    misuse_all(objects, PTK_ERR_WRONG_THREAD);
    test_yield();
    return PTK_OK;
}

static void *misuse_on_a_green_thread_of_another_loop(void *objects) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(misuse_in_green, objects);
    test_run();
    test_loop_end(loop);
    return NULL;
}

static void misuse_on_a_thread(void *(*body)(void *) ) {
    objects_t objects;
    pthread_t thread;
    objects_init(&objects);
    CHECK_EQ(pthread_create(&thread, NULL, body, &objects), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    objects_fini(&objects);
}

TEST(p54_every_function_on_a_thread_without_a_loop_is_wrong_thread, REAL_THREADS) {
    misuse_on_a_thread(misuse_on_a_thread_without_a_loop);
}

TEST(p54_every_function_on_a_thread_with_another_loop_is_wrong_thread, REAL_THREADS) {
    misuse_on_a_thread(misuse_on_a_thread_with_a_loop);
}

TEST(p54_every_function_on_a_green_thread_of_another_loop_is_wrong_thread, REAL_THREADS) {
    misuse_on_a_thread(misuse_on_a_green_thread_of_another_loop);
}

static void *use_nobodys_green_thread(void *arg) {
    (void) arg;
    CHECK(ptk_green_self() == NULL);
    CHECK(ptk_event_loop_platform_current() == NULL);
    CHECK_ERR(ptk_yield(), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_ms(1), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_until(PTK_TIME_NEVER), PTK_ERR_NOT_GREEN);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_EQ(ptk_waitable_ready(), 0);
    CHECK_EQ(ptk_waitable_count(), 0);
    return NULL;
}

TEST(p54_calls_without_an_object_on_a_thread_without_a_loop, REAL_THREADS) {
    pthread_t thread;
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_EQ(pthread_create(&thread, NULL, use_nobodys_green_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    test_loop_end(loop);
    use_nobodys_green_thread(NULL);
}

/* --- outside green threads ------------------------------------------------------------------------------ */

TEST(misuse_parking_calls_outside_green_threads_are_not_green, TRUSTS_READINESS) {
    objects_t objects;
    size_t index = 9;
    objects_init(&objects);
    ptk_waitable_wait_item_t item = {.waitable = objects.user, .events = PTK_EVENT_READ};
    CHECK_ERR(ptk_yield(), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_ms(0), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_ms(1), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_until(0), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_until(PTK_TIME_NEVER), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_green_join(objects.green, NULL, 1), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_green_join(objects.green, NULL, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_GREEN);
    CHECK_ERR(test_wait(objects.user, 1), PTK_ERR_NOT_GREEN);
    CHECK_ERR(test_wait(objects.timer, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_GREEN);
    CHECK_ERR(test_wait(objects.readable, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_waitable_wait_any(&item, 1, &index, 1), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_GREEN);
    objects_fini(&objects);
}

/* Also where an event has come already: the check precedes the try. */
TEST(misuse_not_green_is_said_before_trying) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_GREEN);
    CHECK_OK(test_wait(user, 0));
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- forked children ------------------------------------------------------------------------------------ */

static int exit_code_of(pid_t child) {
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void use_in_child(objects_t *objects) {
    misuse_all(objects, PTK_ERR_FORKED);
    CHECK_ERR(ptk_scheduler_run(NULL), PTK_ERR_FORKED);
    CHECK_ERR(ptk_go(NULL, answer_ok, NULL), PTK_ERR_FORKED);
    CHECK(ptk_event_loop_platform_current() == NULL);
}

/* Once; the loop is as unknown as before afterwards, and its objects are gone. */
static void destroy_in_child(objects_t *objects) {
    ptk_event_loop_platform_t *own = ptk_event_loop_platform_current();
    CHECK_OK(misuse_destroy(objects));
    CHECK_ERR(misuse_destroy(objects), PTK_ERR_FORKED);
    CHECK_ERR(ptk_waitable_signal(objects->user), PTK_ERR_CLOSED);
    CHECK(ptk_event_loop_platform_current() == own);
}

static void fork_and_use(objects_t *objects) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        use_in_child(objects);
        destroy_in_child(objects);
        _exit(0);
    }
    CHECK_EQ(exit_code_of(child), 0);
}

TEST(p52_every_function_in_a_forked_child_is_forked, REAL_PROCESS) {
    objects_t objects;
    objects_init(&objects);
    fork_and_use(&objects);
    objects_fini(&objects);
}

static void live_on_in_child(objects_t *objects) {
    use_in_child(objects);
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(ptk_event_loop_platform_current() == loop);
    CHECK_ERR(ptk_yield(), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sleep_ms(1), PTK_ERR_NOT_GREEN);
    test_go(answer_ok, NULL);
    test_run();
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_wait(user, 0));
    ptk_waitable_destroy(user);
    CHECK_ERR(ptk_waitable_signal(objects->user), PTK_ERR_FORKED);
    destroy_in_child(objects);
    test_go(answer_ok, NULL);
    test_run();
    test_loop_end(loop);
}

TEST(p52_a_forked_child_makes_a_loop_of_its_own, REAL_PROCESS) {
    objects_t objects;
    objects_init(&objects);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        live_on_in_child(&objects);
        _exit(0);
    }
    CHECK_EQ(exit_code_of(child), 0);
    objects_fini(&objects);
}

/* A fork in the middle of a green thread: the child cannot continue as that green thread. */
static ptk_err fork_inside(void *arg) {
    objects_t *objects = arg;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_ERR(ptk_yield(), PTK_ERR_FORKED);
        CHECK_ERR(ptk_sleep_ms(1), PTK_ERR_FORKED);
        CHECK_ERR(test_wait(objects->user, 1), PTK_ERR_FORKED);
        use_in_child(objects);
        destroy_in_child(objects);
        CHECK_ERR(ptk_yield(), PTK_ERR_FORKED);
        _exit(0);
    }
    CHECK_EQ(exit_code_of(child), 0);
    test_yield();
    return PTK_OK;
}

TEST(p52_fork_inside_a_green_thread, REAL_PROCESS) {
    objects_t objects;
    objects_init(&objects);
    ptk_green_t *green = test_spawn(fork_inside, &objects);
    ptk_err result = PTK_ERR_OS;
    while (ptk_green_join(green, &result, 0) == PTK_ERR_TIMEOUT) {
        CHECK_OK(ptk_scheduler_poll(objects.loop, 0, NULL));
    }
    CHECK_OK(result);
    objects_fini(&objects);
}

/* Forks at many points of a busy loop; neither process disturbs the other. */
static ptk_err fork_now_and_then(void *arg) {
    objects_t *objects = arg;
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            CHECK_ERR(ptk_waitable_signal(objects->user), PTK_ERR_FORKED);
            CHECK_ERR(test_wait(objects->readable, 0), PTK_ERR_FORKED);
            _exit(0);
        }
        CHECK_ERR(test_wait(objects->timer, 1), PTK_ERR_TIMEOUT);
        CHECK_EQ(exit_code_of(child), 0);
    }
    return PTK_OK;
}

TEST(p52_forks_at_many_points, REAL_PROCESS) {
    objects_t objects;
    objects_init(&objects);
    ptk_green_t *forkers[3];
    for (size_t i = 0; i < 3; i++) {
        forkers[i] = test_spawn(fork_now_and_then, &objects);
    }
    for (size_t i = 0; i < 3; i++) {
        ptk_err result = PTK_ERR_OS;
        while (ptk_green_join(forkers[i], &result, 0) == PTK_ERR_TIMEOUT) {
            CHECK_OK(ptk_scheduler_poll(objects.loop, 1, NULL));
        }
        CHECK_OK(result);
    }
    objects_fini(&objects);
}

/* A child inherits handlers, but a SIGTERM that is meant for it must end it, and not wake the parent's loop.
 */
TEST(p52_a_forked_child_does_not_swallow_signals, REAL_PROCESS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *signal = ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGTERM));
    CHECK(signal != NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        test_raise(SIGTERM);
        _exit(1);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    CHECK_ERR(test_wait(signal, 0), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(signal);
    test_loop_end(loop);
}
