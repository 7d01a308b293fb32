/* SPDX-License-Identifier: MIT */
/*
 * Coroutines of another library: those that it creates itself wait for ptk's waitables. The rest of the
 * suite, in the configurations with PTK_TEST_FOREIGN, shows that green threads created by its spawn hook
 * behave like ptk's own.
 */
#include "conformance.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static ptk_event_loop_platform_t *loop_without_spawn(void) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    test_install_foreign(loop, false);
    return loop;
}

static ptk_err answer_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

/* Ends a coroutine of the test's own: ptk forgets it, libpcl frees it. */
static void finish(void *coroutine) {
    CHECK(foreign_has_ended(coroutine));
    CHECK_OK(ptk_foreign_forget(coroutine));
    foreign_free(coroutine);
}

/* Polls until `coroutine` has ended. */
static void poll_until_ended(const void *coroutine) {
    while (!foreign_has_ended(coroutine)) {
        CHECK_OK(ptk_scheduler_poll(NULL, PTK_TIMEOUT_INFINITE, NULL));
    }
}

/* --- hooks ---------------------------------------------------------------------------------------------- */

TEST(foreign_without_spawn_go_and_spawn_are_not_supported, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    CHECK_ERR(ptk_go(loop, answer_ok, NULL), PTK_ERR_NOT_SUPPORTED);
    CHECK(ptk_green_spawn(loop, NULL, answer_ok, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_SUPPORTED);
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

TEST(foreign_hooks_that_are_not_whole_are_invalid, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_scheduler_hooks_t whole = test_foreign()->hooks();
    ptk_scheduler_hooks_t hooks = whole;
    CHECK_ERR(ptk_scheduler_set_hooks(loop, NULL), PTK_ERR_INVALID_PARAM);
    hooks.current = NULL;
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_INVALID_PARAM);
    hooks = whole;
    hooks.suspend = NULL;
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_INVALID_PARAM);
    hooks = whole;
    hooks.resume = NULL;
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_INVALID_PARAM);
    hooks = whole;
    hooks.slot = NULL;
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_INVALID_PARAM);
    hooks = whole;
    hooks.struct_size = (uint32_t) offsetof(ptk_scheduler_hooks_t, slot);
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_INVALID_PARAM);
    hooks = whole;
    hooks.struct_size = 0;
    CHECK_ERR((ptk_scheduler_set_hooks) (loop, &hooks), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_scheduler_set_hooks(loop, &hooks)); /* the macro fills the size in */
    test_loop_end(loop);
}

typedef struct longer_hooks {
    ptk_scheduler_hooks_t known;
    void *unknown;
} longer_hooks_t;

TEST(foreign_hooks_of_other_versions, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    longer_hooks_t longer = {.known = test_foreign()->hooks(), .unknown = &longer};
    longer.known.struct_size = sizeof longer;
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &longer.known), PTK_ERR_INVALID_PARAM);
    ptk_scheduler_hooks_t earlier = longer.known;
    earlier.struct_size = (uint32_t) offsetof(ptk_scheduler_hooks_t, spawn); /* spawn came later */
    CHECK_OK(ptk_scheduler_set_hooks(loop, &earlier));
    CHECK_ERR(ptk_go(loop, answer_ok, NULL), PTK_ERR_NOT_SUPPORTED);
    test_loop_end(loop);
}

TEST(foreign_hooks_after_the_first_green_thread_are_busy, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_scheduler_hooks_t hooks = test_foreign()->hooks();
    CHECK_OK(ptk_go(loop, answer_ok, NULL));
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_BUSY);
    test_run();
    CHECK_ERR(ptk_scheduler_set_hooks(loop, &hooks), PTK_ERR_BUSY);
    test_loop_end(loop);
}

/* --- coroutines that libpcl created --------------------------------------------------------------------- */

static void wait_for_all_kinds(void *arg) {
    int *fds = arg;
    ptk_waitable_t *timer = test_timer_waitable(2, 0);
    ptk_waitable_t *user = test_user();
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    CHECK(ptk_green_self() != NULL);
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(test_wait(user, 1), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_OK(ptk_yield());
    test_note('a');
    CHECK_OK(test_wait(readable, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    CHECK_EQ(test_read(fds[0], 1), 1);
    test_note('b');
    ptk_waitable_destroy(timer);
    ptk_waitable_destroy(user);
    ptk_waitable_destroy(readable);
}

TEST(foreign_coroutine_of_the_library_waits_for_waitables, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    int fds[2];
    test_pipe(fds);
    void *coroutine = foreign_start(wait_for_all_kinds, fds);
    CHECK(!foreign_has_ended(coroutine));
    CHECK(ptk_green_self() == NULL);
    while (strcmp(test_notes(), "a") != 0) {
        CHECK_OK(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, NULL));
    }
    test_write(fds[1], 1);
    poll_until_ended(coroutine);
    CHECK_STR(test_notes(), "ab");
    finish(coroutine);
    test_close_pair(fds);
    test_loop_end(loop);
}

static void wait_once(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    test_note('w');
}

static void signal_once(void *user) {
    CHECK_OK(ptk_waitable_signal(user));
    test_note('s');
}

TEST(foreign_coroutines_wake_each_other, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *waiter = foreign_start(wait_once, user);
    void *signaler = foreign_start(signal_once, user);
    CHECK(foreign_has_ended(signaler));
    CHECK_STR(test_notes(), "s");
    poll_until_ended(waiter);
    CHECK_STR(test_notes(), "sw");
    finish(waiter);
    finish(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err wait_as_green(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    test_note('g');
    return PTK_OK;
}

TEST(foreign_coroutines_beside_green_threads, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    void *waiter = foreign_start(wait_once, user);
    test_go(wait_as_green, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    poll_until_ended(waiter);
    finish(waiter);
    test_run();
    CHECK_STR(test_notes(), "wg");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- coroutines that their library runs while no call is inside poll ------------------------------------ */

/* Polls until there is nothing to do, as an embedder does that starts its first coroutine later. Returns the
   loop's descriptor, -1 where there is none: it is requested once, because the request shows everything. */
static int embed(ptk_event_loop_platform_t *loop) {
    uint32_t next_ms = 0;
    int fd = (int) ptk_event_loop_platform_fd(loop);
    while (next_ms == 0) {
        CHECK_ERR(ptk_scheduler_poll(loop, 0, &next_ms), PTK_ERR_DONE);
    }
    return fd;
}

/* Polls each time that the descriptor is readable, or all the time without one, until `coroutine` has ended.
 */
static void drive_until_ended(const void *coroutine, int fd) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    while (!foreign_has_ended(coroutine)) {
        CHECK(fd < 0 || fd_poll(&entry, 1, -1) == 1);
        CHECK_OK(ptk_scheduler_poll(NULL, 0, NULL));
    }
}

static void sleep_for_ms(void *ms) {
    CHECK_OK(ptk_sleep_ms(*(uint32_t *) ms));
    test_note('s');
}

TEST(p91_deadline_of_a_coroutine_that_parks_outside_poll_shows, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    uint32_t ms = 3;
    int fd = embed(loop);
    void *sleeper = foreign_start(sleep_for_ms, &ms);
    drive_until_ended(sleeper, fd);
    CHECK_STR(test_notes(), "s");
    finish(sleeper);
    test_loop_end(loop);
}

static void yield_twice(void *arg) {
    (void) arg;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ptk_yield());
        test_note('y');
    }
}

TEST(p91_yield_of_a_coroutine_outside_poll_shows, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    int fd = embed(loop);
    void *yielder = foreign_start(yield_twice, NULL);
    drive_until_ended(yielder, fd);
    CHECK_STR(test_notes(), "yy");
    finish(yielder);
    test_loop_end(loop);
}

/* --- a library that cancels its coroutines -------------------------------------------------------------- */

#define NEEDS_CANCEL()                                                                                       \
    do {                                                                                                     \
        TEST_NEEDS_FOREIGN();                                                                                \
        if (!test_foreign()->cancel) {                                                                       \
            SKIP("the library cannot cancel");                                                               \
        }                                                                                                    \
    } while (0)

static void wait_until_canceled(void *user) {
    ptk_waitable_wait_item_t items[2] = {{.waitable = user, .events = PTK_EVENT_READ},
                                         {.waitable = user, .events = PTK_EVENT_READ}};
    size_t index = 0;
    ptk_shield_t shield;
    CHECK_ERR(test_wait(user, 60 * 1000), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_end(&shield));
    test_note('c');
}

TEST(p93_coroutine_that_its_library_cancels_leaves_its_wait, FOREIGN_ONLY) {
    NEEDS_CANCEL();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *canceled = foreign_start(wait_until_canceled, user);
    void *other = foreign_start(wait_once, user);
    test_foreign()->cancel(canceled);
    CHECK_STR(test_notes(), "c");
    finish(canceled);
    CHECK_OK(ptk_waitable_signal(user));
    poll_until_ended(other);
    CHECK_STR(test_notes(), "cw");
    finish(other);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static void receive_until_canceled(void *socks) {
    ptk_sock_t *const *sock = socks;
    char byte = 0;
    CHECK_ERR(ptk_sock_recv(*sock, &byte, 1, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    test_note('c');
}

static void connect_pair(void *socks) {
    ptk_sock_t **ends = socks;
    ptk_addr_t addr;
    socklen_t length = sizeof addr.storage;
    ptk_sock_t *listener = ptk_tcp_listen(NULL, "127.0.0.1:0", NULL);
    CHECK(listener != NULL);
    CHECK_OK(ptk_sock_local_addr(listener, (struct sockaddr *) &addr.storage, &length));
    ends[0] = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_connect(ends[0], (struct sockaddr *) &addr.storage, length, PTK_TIMEOUT_INFINITE));
    ends[1] = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(ends[1] != NULL);
    ptk_sock_close(listener);
}

static void receive_one(void *socks) {
    ptk_sock_t *const *sock = socks;
    char byte = 0;
    CHECK_OK(ptk_sock_recv(*sock, &byte, 1, PTK_TIMEOUT_INFINITE));
    test_note(byte);
}

TEST(p93_socket_of_a_canceled_coroutine_serves_the_next, FOREIGN_ONLY) {
    NEEDS_CANCEL();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_sock_t *ends[2];
    void *connector = foreign_start(connect_pair, ends);
    poll_until_ended(connector);
    finish(connector);
    void *canceled = foreign_start(receive_until_canceled, ends);
    test_foreign()->cancel(canceled);
    finish(canceled);
    void *receiver = foreign_start(receive_one, ends);
    CHECK_OK(ptk_sock_send(ends[1], "r", 1, 0));
    poll_until_ended(receiver);
    CHECK_STR(test_notes(), "cr");
    finish(receiver);
    ptk_sock_close(ends[0]);
    ptk_sock_close(ends[1]);
    test_loop_end(loop);
}

TEST(p93_wake_that_came_before_the_cancel_is_kept, FOREIGN_ONLY) {
    NEEDS_CANCEL();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *waiter = foreign_start(wait_once, user);
    CHECK_OK(ptk_waitable_signal(user)); /* in ptk's run queue now, and never to be resumed */
    test_foreign()->cancel(waiter);
    CHECK_STR(test_notes(), "w");
    finish(waiter);
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(foreign_run_with_a_resume_that_only_makes_runnable_is_not_supported, FOREIGN_ONLY) {
    NEEDS_CANCEL();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(wait_as_green, user);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR((ptk_scheduler_run) (loop), PTK_ERR_NOT_SUPPORTED);
    test_run();
    CHECK_STR(test_notes(), "g");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- coroutines that never say that they end ------------------------------------------------------------ */

static void note_end(void *value) {
    test_note(*(const char *) value);
}

static const ptk_green_key_t ends_with_a_note = {.destructor = note_end};

static void use_ptk_once(void *user) {
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_green_set_local(&ends_with_a_note, "e"));
}

TEST(foreign_that_was_never_forgotten_does_not_keep_destroy_busy, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *ended = foreign_start(use_ptk_once, user);
    CHECK(foreign_has_ended(ended));
    CHECK_EQ(test_counters().green_threads, 1);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    CHECK_STR(test_notes(), "e");
    foreign_free(ended);
}

static void use_two_loops(void *arg) {
    (void) arg;
    CHECK_OK(ptk_green_set_local(&ends_with_a_note, "1"));
    test_foreign()->yield();
    CHECK(ptk_green_get_local(&ends_with_a_note) == NULL);
    CHECK_OK(ptk_sleep_ms(1));
    test_note('2');
}

TEST(foreign_that_outlives_its_loop_uses_the_next, FOREIGN_ONLY) {
    NEEDS_CANCEL();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    void *coroutine = foreign_start(use_two_loops, NULL);
    test_loop_end(loop);
    CHECK_STR(test_notes(), "1");
    loop = loop_without_spawn();
    do { /* the first poll finds no coroutine of ptk */
        ptk_err err = ptk_scheduler_poll(loop, 10, NULL);
        CHECK(err == PTK_OK || err == PTK_ERR_DONE);
    } while (!foreign_has_ended(coroutine));
    CHECK_STR(test_notes(), "12");
    finish(coroutine);
    test_loop_end(loop);
}

/* --- many round trips ----------------------------------------------------------------------------------- */

#define ROUND_TRIPS (ptk_test_is_long() ? 1000000 : 2000)

typedef struct player {
    int fd;
    bool serves;
} player_t;

/* Each wait has a timeout, so a wake that is lost is seen. */
static void take_byte(ptk_waitable_t *readable, int fd) {
    char byte = 0;
    while (fd_read(fd, &byte, 1) != 1) {
        CHECK_OK(test_wait(readable, 20 * 1000));
    }
}

static void play(void *arg) {
    const player_t *player = arg;
    ptk_waitable_t *readable = test_fd_waitable(player->fd);
    for (int i = 0; i < ROUND_TRIPS; i++) {
        if (player->serves) {
            test_write(player->fd, 1);
        }
        take_byte(readable, player->fd);
        if (!player->serves) {
            test_write(player->fd, 1);
        }
    }
    ptk_waitable_destroy(readable);
    test_note('p');
}

/* Waits for an event of the loop's set. */
static void wait_for_set(ptk_event_loop_platform_t *loop) {
    ptk_poll_entry_t entries[4];
    struct pollfd polled[4];
    size_t count = 0;
    uint32_t next_ms = 0;
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_OK(ptk_event_loop_platform_poll_set(loop, entries, 4, &count));
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(entries[i].events, PTK_EVENT_READ);
        polled[i] = (struct pollfd) {.fd = (int) entries[i].handle, .events = POLLIN};
    }
    CHECK(fd_poll(polled, count, next_ms == PTK_TIMEOUT_INFINITE ? -1 : (int) next_ms) >= 0);
}

/* Watches the loop's descriptor edge-triggered. Returns the watching epoll, -1 where there is no descriptor.
 */
static int watch_edges(ptk_event_loop_platform_t *loop) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    ptk_os_handle_t fd = ptk_event_loop_platform_fd(loop);
    if (test_is_simulated() || fd == PTK_OS_HANDLE_NONE) {
        return -1;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll >= 0);
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, (int) fd, &event), 0);
    return epoll;
}

/* Polls once per event, or, for `edges`, until there is no more work. */
static void poll_after_event(ptk_event_loop_platform_t *loop, bool edges) {
    uint32_t next_ms = 0;
    do {
        ptk_err err = ptk_scheduler_poll(loop, 0, &next_ms);
        CHECK(err == PTK_OK || err == PTK_ERR_DONE);
    } while (edges && next_ms == 0);
}

static void play_embedded(bool edges) {
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    struct epoll_event event;
    int fds[2];
    test_socketpair(fds);
    player_t server = {fds[0], true};
    player_t client = {fds[1], false};
    int epoll = edges ? watch_edges(loop) : -1;
    void *first = foreign_start(play, &server);
    void *second = foreign_start(play, &client);
    while (!foreign_has_ended(first) || !foreign_has_ended(second)) {
        if (epoll < 0) {
            wait_for_set(loop);
        } else {
            CHECK_EQ(epoll_wait(epoll, &event, 1, -1), 1);
        }
        poll_after_event(loop, edges);
    }
    CHECK_STR(test_notes(), "pp");
    finish(first);
    finish(second);
    CHECK(epoll < 0 || close(epoll) == 0);
    test_close_pair(fds);
    test_loop_end(loop);
}

TEST(p91_no_wake_is_lost_in_many_round_trips, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    play_embedded(false);
}

TEST(p92_no_wake_is_lost_in_many_round_trips_by_edges, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    play_embedded(true);
}

/* --- forget --------------------------------------------------------------------------------------------- */

TEST(foreign_forget_of_one_that_is_parked_is_busy, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *waiter = foreign_start(wait_once, user);
    CHECK_ERR(ptk_foreign_forget(waiter), PTK_ERR_BUSY);
    CHECK_ERR(ptk_event_loop_platform_destroy(loop), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(ptk_foreign_forget(waiter), PTK_ERR_BUSY); /* woken, but not yet continued: still inside ptk */
    poll_until_ended(waiter);
    finish(waiter);
    CHECK_EQ(test_counters().green_threads, 0);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(foreign_forget_twice_and_of_nothing, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    void *waiter = foreign_start(wait_once, user); /* ready at once: never parked */
    CHECK(foreign_has_ended(waiter));
    CHECK_OK(ptk_foreign_forget(waiter));
    CHECK_OK(ptk_foreign_forget(waiter));
    foreign_free(waiter);
    CHECK_ERR(ptk_foreign_forget(NULL), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(test_counters().green_threads, 0);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(foreign_forget_many, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    for (int i = 0; i < 200; i++) {
        void *waiter = foreign_start(wait_once, user);
        CHECK_OK(ptk_waitable_signal(user));
        poll_until_ended(waiter);
        finish(waiter);
    }
    CHECK_EQ(test_counters().green_threads, 0);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- errors, cancel ------------------------------------------------------------------------------------- */

static void keep_error_and_errno(void *user) {
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    errno = EXDEV;
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_EQ(errno, EXDEV);
    CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
    test_note('k');
}

TEST(p36_foreign_errors_and_errno_are_per_coroutine, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *keeper = foreign_start(keep_error_and_errno, user);
    CHECK_ERR(ptk_green_join(NULL, NULL, 0), PTK_ERR_INVALID_PARAM);
    errno = EPERM;
    poll_until_ended(keeper);
    CHECK_STR(test_notes(), "k");
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    finish(keeper);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static void wait_until_stopped(void *user) {
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    CHECK_ERR(test_wait(user, 1), PTK_ERR_CANCELED);
    test_note('c');
}

TEST(foreign_coroutine_is_canceled_by_stop, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *waiter = foreign_start(wait_until_stopped, user);
    CHECK_OK(ptk_scheduler_stop(loop));
    poll_until_ended(waiter);
    CHECK_STR(test_notes(), "c");
    finish(waiter);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static void wait_for_an_answer(void *user) {
    ptk_err err = test_wait(user, PTK_TIMEOUT_INFINITE);
    CHECK(err == PTK_ERR_CLOSED || err == PTK_ERR_ABORTED);
    test_note(err == PTK_ERR_CLOSED ? 'c' : 'a');
}

TEST(p05_foreign_coroutine_is_woken_by_abort_and_destroy, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = loop_without_spawn();
    ptk_waitable_t *user = test_user();
    void *first = foreign_start(wait_for_an_answer, user);
    CHECK_OK(ptk_waitable_abort(user));
    poll_until_ended(first);
    void *second = foreign_start(wait_for_an_answer, user);
    ptk_waitable_destroy(user);
    poll_until_ended(second);
    CHECK_STR(test_notes(), "ac");
    finish(first);
    finish(second);
    test_loop_end(loop);
}

TEST(p45_foreign_green_threads_that_are_parked_make_destroy_busy, FOREIGN_ONLY) {
    TEST_NEEDS_FOREIGN();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(wait_as_green, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_ERR(ptk_event_loop_platform_destroy(loop), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}
