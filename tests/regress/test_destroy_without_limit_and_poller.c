/* SPDX-License-Identifier: MIT */
/*
 * Without a timeout, destroy looped at full speed without end, when the poller failed for good and only the
 * poller could have woken the remaining green threads.
 */
#include "regress_sock.h"

#include "ptk_test_intercept.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#define OUTPUT_BYTES 16384
#define MANY         2000

/* --- a system without poller --- */

static atomic_uint failures;

static int64_t no_poll(ptk_sys_call_t *call) {
    (void) call;
    atomic_fetch_add(&failures, 1);
    return -ENOMEM;
}

static ptk_interceptor_t no_poller = {.hooks = {[PTK_SYS_epoll_wait] = no_poll, [PTK_SYS_poll] = no_poll}};

/* --- the remaining green threads --- */

static ptk_waitable_t *event;

static ptk_err behind_a_shield(ptk_err (*wait)(void)) {
    ptk_shield_t shield;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(wait());
    CHECK_OK(ptk_shield_end(&shield));
    return PTK_OK;
}

static ptk_err wait_for_event(void) {
    return ptk_waitable_wait(event, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
}

static ptk_err sleep_a_moment(void) {
    return ptk_sleep_ms(1);
}

static ptk_err wait_for_a_peer(void) {
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    return ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE) ? PTK_OK : ptk_get_err();
}

/* Waits for the first of two, of which the second one is a descriptor's that no event comes for. */
static ptk_err wait_beside_a_descriptor(ptk_waitable_t *first) {
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    ptk_waitable_wait_item_t items[] = {
        {.waitable = first, .events = PTK_EVENT_READ},
        {.waitable = ptk_sock_waitable(listener, PTK_EVENT_READ), .events = PTK_EVENT_READ},
    };
    return ptk_waitable_wait_any(items, 2, NULL, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_for_either_peer(void) {
    ptk_addr_t addr;
    return wait_beside_a_descriptor(ptk_sock_waitable(regress_listener(&addr), PTK_EVENT_READ));
}

static ptk_err wait_for_a_signal_or_a_peer(void) {
    return wait_beside_a_descriptor(
        ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1)));
}

/* A wait that begins while the poller still works, because it looks at its descriptors first. */
static ptk_err shielded_from_the_start(ptk_err (*wait)(void)) {
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(wait());
    CHECK_OK(ptk_shield_end(&shield));
    return PTK_OK;
}

static ptk_err who_waits_for_either_peer(void *arg) {
    (void) arg;
    return shielded_from_the_start(wait_for_either_peer);
}

static ptk_err who_waits_for_a_signal_or_a_peer(void *arg) {
    (void) arg;
    return shielded_from_the_start(wait_for_a_signal_or_a_peer);
}

static ptk_err who_waits_for_an_event(void *arg) {
    (void) arg;
    return behind_a_shield(wait_for_event);
}

static ptk_err who_waits_for_a_peer(void *arg) {
    (void) arg;
    return behind_a_shield(wait_for_a_peer);
}

static ptk_err who_waits_for_time(void *arg) {
    (void) arg;
    return behind_a_shield(sleep_a_moment);
}

static ptk_event_loop_platform_t *endless_loop(const char *platform, ptk_green_fn fn) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.platform = platform;
    options.destroy_timeout_ms = PTK_TIMEOUT_INFINITE;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    CHECK(loop != NULL);
    event = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    test_go(fn, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    return loop;
}

/* --- the tests --- */

typedef struct deadlocked {
    const char *platform;
    ptk_green_fn fn;
    const char *what;
} deadlocked_t;

static void destroy_while_deadlocked(void *argument) {
    const deadlocked_t *deadlocked = argument;
    ptk_event_loop_platform_t *loop = endless_loop(deadlocked->platform, deadlocked->fn);
    ptk_intercept(&no_poller);
    CHECK_OK(ptk_event_loop_platform_destroy(loop)); /* it aborts first */
}

TEST(destroy_gives_up_when_only_a_dead_poller_could_wake_those_that_are_left) {
    deadlocked_t all[] = {{"epoll", who_waits_for_an_event, "waits for user event"},
                          {"poll", who_waits_for_an_event, "waits for user event"},
                          {"epoll", who_waits_for_a_peer, "waits for accept"},
                          {"poll", who_waits_for_a_peer, "waits for accept"},
                          {"epoll", who_waits_for_either_peer, "waits for any of several"},
                          {"poll", who_waits_for_either_peer, "waits for any of several"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        static char output[OUTPUT_BYTES];
        int status = ptk_test_in_child(destroy_while_deadlocked, &all[i], output, sizeof output);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGABRT);
        CHECK(strstr(output, "destroy: the poller fails for good, PTK_ERR_NO_RESOURCES") != NULL);
        CHECK(strstr(output, all[i].what) != NULL);
    }
}

static void destroy_in_time(const char *platform) {
    ptk_event_loop_platform_t *loop = endless_loop(platform, who_waits_for_time);
    ptk_intercept(&no_poller);
    test_loop_end(loop);
    ptk_intercept_end();
}

TEST(time_passes_without_poller) {
    destroy_in_time("epoll");
    destroy_in_time("poll");
}

static void *signal_late(void *argument) {
    while (atomic_load(&failures) < MANY) {
        sched_yield();
    }
    CHECK_OK(ptk_signaler_signal(argument));
    ptk_signaler_unref(argument);
    return NULL;
}

static void destroy_with_a_friend(const char *platform) {
    pthread_t thread;
    atomic_store(&failures, 0);
    ptk_event_loop_platform_t *loop = endless_loop(platform, who_waits_for_an_event);
    ptk_signaler_t *signaler = ptk_waitable_signaler(event);
    ptk_intercept(&no_poller);
    CHECK_EQ(pthread_create(&thread, NULL, signal_late, signaler), 0);
    test_loop_end(loop);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_intercept_end();
}

TEST(another_thread_may_signal_without_poller) {
    destroy_with_a_friend("epoll");
    destroy_with_a_friend("poll");
}

static void *raise_late(void *argument) {
    while (atomic_load(&failures) < MANY) {
        sched_yield();
    }
    CHECK_EQ(pthread_kill(*(pthread_t *) argument, SIGUSR1), 0);
    return NULL;
}

static void destroy_until_the_signal(const char *platform) {
    pthread_t thread;
    pthread_t self = pthread_self();
    atomic_store(&failures, 0);
    ptk_event_loop_platform_t *loop = endless_loop(platform, who_waits_for_a_signal_or_a_peer);
    ptk_intercept(&no_poller);
    CHECK_EQ(pthread_create(&thread, NULL, raise_late, &self), 0);
    test_loop_end(loop);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_intercept_end();
}

TEST(a_signal_may_come_without_poller) {
    destroy_until_the_signal("epoll");
    destroy_until_the_signal("poll");
}
