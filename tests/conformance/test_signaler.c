/* SPDX-License-Identifier: MIT */
/* Signalers: other threads and signal handlers wake a USER waitable, and never touch one that was
   destroyed. */
#include "conformance.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#define THREADS 4
#define SIGNALS 5000

/* --- counts --------------------------------------------------------------------------------------------- */

static void *signal_many_times(void *signaler) {
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_OK(ptk_signaler_signal(signaler));
    }
    ptk_signaler_unref(signaler);
    return NULL;
}

static ptk_err take_all(void *user) {
    uint64_t total = 0;
    while (total < (uint64_t) THREADS * SIGNALS) {
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
        total += ptk_waitable_count();
    }
    CHECK_EQ(total, (uint64_t) THREADS * SIGNALS);
    CHECK_ERR(test_wait(user, 1), PTK_ERR_TIMEOUT);
    return PTK_OK;
}

TEST(p50_signals_of_many_threads_are_all_counted, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    pthread_t threads[THREADS];
    CHECK(signaler != NULL);
    test_go(take_all, user);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(ptk_signaler_ref(signaler) == signaler);
        CHECK_EQ(pthread_create(&threads[i], NULL, signal_many_times, signaler), 0);
    }
    test_run();
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* Ping-pong: after each signal the loop goes back to sleep, so that each wake races with going to sleep. */
typedef struct rally {
    ptk_waitable_t *user;
    ptk_signaler_t *signaler;
    atomic_uint sent; /* in bursts */
    atomic_uint returned;
    atomic_bool ended; /* no further burst comes, or only the last signal of a rally */
} rally_t;

static void *serve(void *arg) {
    rally_t *rally = arg;
    ptk_test_rounds_t rounds = {.least = 20, .most = 2000};
    for (unsigned i = 0; ptk_test_round(&rounds, i); i++) {
        CHECK_OK(ptk_signaler_signal(rally->signaler));
        while (atomic_load(&rally->returned) <= i) {
            sched_yield();
        }
    }
    atomic_store(&rally->ended, true);
    CHECK_OK(ptk_signaler_signal(rally->signaler));
    return NULL;
}

static ptk_err play_back(void *arg) {
    rally_t *rally = arg;
    while (!atomic_load(&rally->ended)) {
        CHECK_OK(test_wait(rally->user, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_waitable_count(), 1);
        atomic_fetch_add(&rally->returned, 1);
    }
    return PTK_OK;
}

TEST(p50_no_wake_is_lost_between_the_last_look_and_the_sleep, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    rally_t rally = {.user = test_user()};
    pthread_t thread;
    rally.signaler = ptk_waitable_signaler(rally.user);
    test_go(play_back, &rally);
    CHECK_EQ(pthread_create(&thread, NULL, serve, &rally), 0);
    test_run();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_signaler_unref(rally.signaler);
    ptk_waitable_destroy(rally.user);
    test_loop_end(loop);
}

/* Bursts of two, the second at any point of the delivery of the first: it is in the same count, or wakes
   again. */
#define BURSTS (ptk_test_is_long() ? 300000u : 3000u)

static void *serve_bursts(void *arg) {
    rally_t *rally = arg;
    ptk_test_rounds_t rounds = {.least = 20, .most = BURSTS};
    for (unsigned i = 0; ptk_test_round(&rounds, i); i++) {
        while (atomic_load(&rally->returned) < 2 * i) {
            sched_yield();
        }
        CHECK_OK(ptk_signaler_signal(rally->signaler));
        for (volatile unsigned spin = i % 300; spin > 0; spin--) {
        }
        CHECK_OK(ptk_signaler_signal(rally->signaler));
        atomic_store(&rally->sent, 2 * (i + 1));
    }
    atomic_store(&rally->ended, true);
    return NULL;
}

/* It looks all the time, so that a signal is delivered as soon as it is sent. */
static ptk_err play_back_bursts(void *arg) {
    rally_t *rally = arg;
    while (!atomic_load(&rally->ended) || atomic_load(&rally->returned) < atomic_load(&rally->sent)) {
        if (test_wait(rally->user, 0) == PTK_OK) {
            atomic_fetch_add(&rally->returned, (unsigned) ptk_waitable_count());
        } else {
            test_yield();
        }
    }
    return PTK_OK;
}

TEST(p50_no_signal_is_lost_while_another_is_delivered, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    rally_t rally = {.user = test_user()};
    pthread_t thread;
    rally.signaler = ptk_waitable_signaler(rally.user);
    test_go(play_back_bursts, &rally);
    CHECK_EQ(pthread_create(&thread, NULL, serve_bursts, &rally), 0);
    test_run();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_signaler_unref(rally.signaler);
    ptk_waitable_destroy(rally.user);
    test_loop_end(loop);
}

/* --- one thread: what signal guarantees ----------------------------------------------------------------- */

static ptk_err wait_and_note(void *user) {
    ptk_err err = test_wait(user, PTK_TIMEOUT_INFINITE);
    test_note(err == PTK_OK ? 'o' : 'x');
    return PTK_OK;
}

static ptk_err signal_from_the_own_thread(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *first = ptk_waitable_signaler(user);
    ptk_signaler_t *second = ptk_waitable_signaler(user);
    CHECK_OK(ptk_signaler_signal(first));
    CHECK_OK(ptk_signaler_signal(first));
    CHECK_OK(ptk_signaler_signal(second));
    CHECK_OK(ptk_waitable_signal(user));
    test_let_poll();
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 4);
    test_go(wait_and_note, user);
    test_go(wait_and_note, user);
    test_yield();
    CHECK_OK(ptk_signaler_signal(second));
    test_let_poll();
    CHECK_STR(test_notes(), "o");
    CHECK_OK(ptk_signaler_signal(first));
    test_let_poll();
    CHECK_STR(test_notes(), "oo");
    ptk_signaler_unref(first);
    ptk_signaler_unref(second);
    CHECK(ptk_signaler_ref(NULL) == NULL);
    ptk_signaler_unref(NULL);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(signaler_on_the_own_thread) {
    test_in_green(signal_from_the_own_thread);
}

TEST(signaler_is_seen_by_timeout_zero_outside) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    CHECK_OK(ptk_signaler_signal(signaler));
    CHECK_OK(ptk_signaler_signal(signaler));
    CHECK_OK(test_wait(user, 0));
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- handlers ------------------------------------------------------------------------------------------- */

static ptk_signaler_t *handler_signaler;

static void signal_in_handler(int number) {
    (void) number;
    CHECK_OK(ptk_signaler_signal(handler_signaler));
}

static ptk_err hear_the_handler(void *user) {
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(test_raise(SIGUSR1), 0);
        CHECK_EQ(test_raise(SIGUSR1), 0);
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_waitable_count(), 2);
    }
    return PTK_OK;
}

/* An interval timer of the system: the handler runs at any point of the scheduler, and during the poller's
   sleep. */
static ptk_err hear_an_interval_timer(void *user) {
    struct itimerval interval = {{0, 300}, {0, 300}};
    uint64_t total = 0;
    CHECK_EQ(setitimer(ITIMER_REAL, &interval, NULL), 0);
    while (total < 50) {
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
        total += ptk_waitable_count();
        for (int i = 0; i < 100; i++) {
            test_yield();
        }
    }
    interval = (struct itimerval) {{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &interval, NULL), 0);
    return PTK_OK;
}

static void with_handler(int number, ptk_green_fn fn) {
    struct sigaction action = {.sa_handler = signal_in_handler};
    CHECK_EQ(sigaction(number, &action, NULL), 0);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    handler_signaler = ptk_waitable_signaler(user);
    test_go(fn, user);
    test_run();
    action.sa_handler = SIG_IGN;
    CHECK_EQ(sigaction(number, &action, NULL), 0);
    ptk_signaler_unref(handler_signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(signaler_in_a_signal_handler, REAL_SIGNALS) {
    with_handler(SIGUSR1, hear_the_handler);
}

TEST(p50_signaler_in_a_handler_that_interrupts_anywhere, REAL_SIGNALS) {
    with_handler(SIGALRM, hear_an_interval_timer);
}

static ptk_err err_in_handler;

static void signal_closed_in_handler(int number) {
    (void) number;
    err_in_handler = ptk_signaler_signal(handler_signaler);
}

/* A direct call leaves its error; the same call in a handler leaves the interrupted code's as it is. */
TEST(signaler_leaves_the_error_of_code_that_is_interrupted_by_a_failure_in_a_signal_handler, REAL_SIGNALS) {
    struct sigaction action = {.sa_handler = signal_closed_in_handler};
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    handler_signaler = ptk_waitable_signaler(user);
    ptk_waitable_destroy(user);
    CHECK_ERR(ptk_yield(), PTK_ERR_NOT_GREEN);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_ERR(err_in_handler, PTK_ERR_CLOSED);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_signaler_signal(handler_signaler), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_signaler_signal(NULL), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    action.sa_handler = SIG_IGN;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    ptk_signaler_unref(handler_signaler);
    test_loop_end(loop);
}

/* --- life ----------------------------------------------------------------------------------------------- */

TEST(p63_signal_after_destroy_is_closed) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    CHECK_OK(ptk_signaler_signal(signaler));
    ptk_waitable_destroy(user); /* with its message still in the inbox */
    CHECK_ERR(ptk_signaler_signal(signaler), PTK_ERR_CLOSED);
    test_run();
    CHECK_ERR(ptk_signaler_signal(signaler), PTK_ERR_CLOSED);
    ptk_signaler_unref(signaler);
    test_loop_end(loop);
}

TEST(p63_signal_after_the_loop_is_closed) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *destroyed = test_user();
    ptk_waitable_t *left = test_user();
    ptk_signaler_t *signalers[] = {ptk_waitable_signaler(destroyed), ptk_waitable_signaler(left)};
    CHECK_OK(ptk_signaler_signal(signalers[0]));
    CHECK_OK(ptk_signaler_signal(signalers[1]));
    ptk_waitable_destroy(destroyed);
    test_loop_end(loop);
    for (size_t i = 0; i < 2; i++) {
        CHECK_ERR(ptk_signaler_signal(signalers[i]), PTK_ERR_CLOSED);
        CHECK(ptk_signaler_ref(signalers[i]) == signalers[i]);
        ptk_signaler_unref(signalers[i]);
        CHECK_ERR(ptk_signaler_signal(signalers[i]), PTK_ERR_CLOSED);
        ptk_signaler_unref(signalers[i]);
    }
}

TEST(p63_release_with_the_message_still_in_the_inbox) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    CHECK_OK(ptk_signaler_signal(signaler));
    ptk_signaler_unref(signaler);
    CHECK_OK(test_wait(user, 0));
    signaler = ptk_waitable_signaler(user);
    CHECK_OK(ptk_signaler_signal(signaler));
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

typedef struct race {
    ptk_signaler_t *signaler;
    pthread_barrier_t *barrier;
    uint64_t accepted;
} race_t;

static void *signal_until_closed(void *arg) {
    race_t *race = arg;
    pthread_barrier_wait(race->barrier);
    while (ptk_signaler_signal(race->signaler) == PTK_OK) {
        race->accepted++;
    }
    CHECK_ERR(ptk_signaler_signal(race->signaler), PTK_ERR_CLOSED);
    ptk_signaler_unref(race->signaler);
    return NULL;
}

static ptk_err take_some_and_destroy(void *user) {
    for (int i = 0; i < 5; i++) {
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    }
    ptk_waitable_destroy(user);
    return PTK_OK;
}

/* Destroys the waitable, or the whole loop, while two threads signal as fast as they can. */
static void race_signal_and_destroy(bool with_loop) {
    pthread_barrier_t barrier;
    pthread_t threads[2];
    race_t races[2];
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 3), 0);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    for (size_t i = 0; i < 2; i++) {
        races[i] = (race_t) {ptk_waitable_signaler(user), &barrier, 0};
        CHECK_EQ(pthread_create(&threads[i], NULL, signal_until_closed, &races[i]), 0);
    }
    pthread_barrier_wait(&barrier);
    if (!with_loop) {
        test_go(take_some_and_destroy, user);
        test_run();
    }
    test_loop_end(loop);
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
}

TEST(p63_signal_against_destroy, REAL_THREADS) {
    for (int i = 0; i < 20; i++) {
        race_signal_and_destroy(false);
    }
}

TEST(p63_signal_against_the_end_of_the_loop, REAL_THREADS) {
    for (int i = 0; i < 20; i++) {
        race_signal_and_destroy(true);
    }
}
