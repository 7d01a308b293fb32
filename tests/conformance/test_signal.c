/* SPDX-License-Identifier: MIT */
/* SIGNAL waitables: they count from create on, every subscriber is notified, and none leaves a trace. */
#include "conformance.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static ptk_waitable_t *signal_waitable(int number) {
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(number));
    CHECK(waitable != NULL);
    return waitable;
}

static ptk_err latch_from_create(void *arg) {
    (void) arg;
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    CHECK_EQ(test_kill(SIGUSR1), 0);
    CHECK_OK(test_wait(signal, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 1);
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    CHECK_ERR(test_wait(signal, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(signal);
    return PTK_OK;
}

TEST(signal_is_kept_from_create_on) {
    test_in_green(latch_from_create);
}

TEST(signal_is_seen_by_timeout_zero_outside) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    CHECK_ERR(test_wait(signal, 0), PTK_ERR_TIMEOUT);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_OK(test_wait(signal, 0));
    CHECK_ERR(test_wait(signal, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(signal, 1), PTK_ERR_NOT_GREEN);
    ptk_waitable_destroy(signal);
    test_loop_end(loop);
}

static ptk_err take_a_burst(void *arg) {
    (void) arg;
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(test_raise(SIGUSR1), 0);
    }
    CHECK_OK(test_wait(signal, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 100);
    uint64_t total = 0;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(test_raise(SIGUSR1), 0);
        if (i % 7 == 0) {
            CHECK_OK(test_wait(signal, PTK_TIMEOUT_INFINITE));
            total += ptk_waitable_count();
        }
    }
    CHECK_OK(test_wait(signal, 0));
    CHECK_EQ(total + ptk_waitable_count(), 100);
    ptk_waitable_destroy(signal);
    return PTK_OK;
}

TEST(p53_burst_of_signals_is_counted) {
    test_in_green(take_a_burst);
}

/* How long to wait at a time for a signal of another thread, and how to judge the result. While a green
   thread runs, a thread sanitizer holds a signal back until that green thread calls a function that the
   sanitizer intercepts: there the waiter must wake from time to time, and call one. */
#define A_WHILE_MS (PTK_TEST_TSAN ? 20 : PTK_TIMEOUT_INFINITE)

static bool was_heard(ptk_err result) {
    if (PTK_TEST_TSAN && result == PTK_ERR_TIMEOUT) {
        CHECK_EQ(kill(getpid(), 0), 0);
        return false;
    }
    CHECK_OK(result);
    return true;
}

/* Bursts from outside, while the loop sleeps in its poller and while it runs: no delivered signal is lost. */
static atomic_bool burst_over;

static void *send_a_burst(void *thread) {
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(pthread_kill(*(pthread_t *) thread, SIGUSR1), 0);
    }
    atomic_store(&burst_over, true);
    CHECK_EQ(pthread_kill(*(pthread_t *) thread, SIGUSR2), 0);
    return NULL;
}

static ptk_err hear_a_burst(void *arg) {
    (void) arg;
    pthread_t self = pthread_self();
    pthread_t sender;
    size_t index = 9;
    uint64_t total = 0;
    bool heard = false;
    ptk_waitable_t *burst = signal_waitable(SIGUSR1);
    ptk_waitable_t *end = signal_waitable(SIGUSR2);
    ptk_waitable_wait_item_t items[] = {{burst, PTK_EVENT_READ, 0, 0}, {end, PTK_EVENT_READ, 0, 0}};
    CHECK_EQ(pthread_create(&sender, NULL, send_a_burst, &self), 0);
    do {
        heard = was_heard(ptk_waitable_wait_any(items, 2, &index, A_WHILE_MS));
        total += heard && index == 0 ? items[0].count_out : 0;
    } while (!heard || index == 0);
    CHECK_EQ(pthread_join(sender, NULL), 0);
    if (test_wait(burst, 1) == PTK_OK) { /* the last ones may have been noted after the end */
        total += ptk_waitable_count();
    }
    CHECK(total >= 1 && total <= 200); /* the kernel merges pending signals */
    ptk_waitable_destroy(burst);
    ptk_waitable_destroy(end);
    return PTK_OK;
}

TEST(p53_burst_from_another_thread, REAL_THREADS) {
    test_in_green(hear_a_burst);
    CHECK(atomic_load(&burst_over));
}

static ptk_err hear_it_twice(void *arg) {
    (void) arg;
    ptk_waitable_t *first = signal_waitable(SIGUSR1);
    ptk_waitable_t *second = signal_waitable(SIGUSR1);
    ptk_waitable_t *other = signal_waitable(SIGUSR2);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_OK(test_wait(first, PTK_TIMEOUT_INFINITE));
    CHECK_OK(test_wait(second, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(test_wait(other, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(first);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_OK(test_wait(second, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 1);
    ptk_waitable_destroy(second);
    ptk_waitable_destroy(other);
    return PTK_OK;
}

TEST(signal_reaches_every_waitable) {
    test_in_green(hear_it_twice);
}

typedef struct listener {
    pthread_barrier_t *barrier;
    uint64_t heard;
} listener_t;

static ptk_err listen_once(void *arg) {
    listener_t *listener = arg;
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    pthread_barrier_wait(listener->barrier); /* all threads have subscribed */
    CHECK_OK(test_wait(signal, PTK_TIMEOUT_INFINITE));
    listener->heard = ptk_waitable_count();
    ptk_waitable_destroy(signal);
    return PTK_OK;
}

static void *listen_on_a_thread(void *listener) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(listen_once, listener);
    test_run();
    test_loop_end(loop);
    return NULL;
}

TEST(signal_reaches_every_loop, REAL_THREADS) {
    pthread_barrier_t barrier;
    pthread_t threads[3];
    listener_t listeners[3];
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 4), 0);
    for (size_t i = 0; i < 3; i++) {
        listeners[i] = (listener_t) {&barrier, 0};
        CHECK_EQ(pthread_create(&threads[i], NULL, listen_on_a_thread, &listeners[i]), 0);
    }
    pthread_barrier_wait(&barrier);
    CHECK_EQ(test_kill(SIGUSR1), 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(listeners[i].heard, 1);
    }
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
}

static int handled;

static void handle(int number) {
    handled += number == SIGUSR1;
}

TEST(signal_disposition_is_restored, REAL_SIGNALS) {
    struct sigaction own = {.sa_handler = handle};
    struct sigaction found;
    CHECK_EQ(sigaction(SIGUSR1, &own, NULL), 0);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *first = signal_waitable(SIGUSR1);
    ptk_waitable_t *second = signal_waitable(SIGUSR1);
    ptk_waitable_destroy(first);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &found), 0);
    CHECK(found.sa_handler != handle);
    ptk_waitable_destroy(second);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &found), 0);
    CHECK(found.sa_handler == handle);
    int before = handled;
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_EQ(handled, before + 1);
    test_loop_end(loop);
}

static int later;

static void handle_later(int number) {
    later += number == SIGUSR1;
}

static ptk_err share_a_signal(void *arg) {
    (void) arg;
    struct sigaction found;
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_OK(test_wait(signal, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 1);
    CHECK_EQ(handled, 1);
    const struct sigaction own = {.sa_handler = handle_later};
    CHECK_EQ(sigaction(SIGUSR1, &own, NULL), 0);
    ptk_waitable_destroy(signal);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &found), 0);
    CHECK(found.sa_handler == handle_later);
    return PTK_OK;
}

TEST(p77_handlers_of_the_program_run_and_stay, REAL_SIGNALS) {
    const struct sigaction own = {.sa_handler = handle};
    CHECK_EQ(sigaction(SIGUSR1, &own, NULL), 0);
    test_in_green(share_a_signal);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_EQ(later, 1);
    CHECK_EQ(handled, 1);
}

static char warning[256];

static void keep_warning(void *context, ptk_log_level_t level, const char *line) {
    (void) context;
    CHECK_EQ((int) level, (int) PTK_LOG_WARNING);
    CHECK(strlen(line) < sizeof warning);
    strcpy(warning, line);
}

TEST(p78_a_blocked_signal_is_reported_at_create, REAL_SIGNALS) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_log_set_sink(keep_warning, NULL);
    signal_waitable(SIGUSR1);
    CHECK_STR(warning, "");
    signal_waitable(SIGTERM);
    CHECK(strncmp(warning, "signal 15 is blocked in this thread", 35) == 0);
    test_loop_end(loop);
    ptk_log_set_sink(NULL, NULL);
}

TEST(signal_disposition_is_restored_with_the_loop, REAL_SIGNALS) {
    struct sigaction found;
    ptk_event_loop_platform_t *loop = test_loop();
    signal_waitable(SIGUSR1);
    signal_waitable(SIGTERM);
    test_loop_end(loop);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &found), 0);
    CHECK(found.sa_handler == SIG_DFL);
    CHECK_EQ(sigaction(SIGTERM, NULL, &found), 0);
    CHECK(found.sa_handler == SIG_DFL);
}

TEST(p53_signal_masks_are_left_alone, REAL_SIGNALS) {
    sigset_t before;
    sigset_t after;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int number = 1; number < 32; number++) {
        CHECK_EQ(sigismember(&before, number), sigismember(&after, number));
    }
    ptk_waitable_destroy(signal);
    test_loop_end(loop);
}

TEST(signal_that_cannot_be_caught_is_invalid) {
    static const intptr_t numbers[] = {SIGKILL, SIGSTOP, 0,         -1,
                                       65,      1000,    INT32_MAX, (intptr_t) 1 << 33 | SIGUSR1};
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK(ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(numbers[i])) == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    }
    CHECK_ERR(ptk_scheduler_dump_on_signal(loop, SIGKILL), PTK_ERR_INVALID_PARAM);
    test_run();
    test_loop_end(loop);
}

static ptk_err start_anew(void *arg) {
    (void) arg;
    ptk_waitable_t *keeper = signal_waitable(SIGUSR1);
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    ptk_waitable_destroy(signal); /* with an arrival that no wait has taken */
    CHECK_ERR(test_wait(signal, 0), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_waitable_signal(keeper), PTK_ERR_INVALID_PARAM);
    signal = signal_waitable(SIGUSR1);
    CHECK_ERR(test_wait(signal, 2), PTK_ERR_TIMEOUT);
    CHECK_OK(test_wait(keeper, 2));
    ptk_waitable_destroy(signal);
    ptk_waitable_destroy(keeper);
    return PTK_OK;
}

TEST(signal_before_create_is_not_reported) {
    test_in_green(start_anew);
}

static ptk_err wait_for(void *signal) {
    return test_wait(signal, PTK_TIMEOUT_INFINITE);
}

static ptk_err wake_in_order(void *arg) {
    (void) arg;
    ptk_waitable_t *signal = signal_waitable(SIGUSR1);
    ptk_green_t *first = test_spawn(wait_for, signal);
    test_let_poll();
    ptk_green_t *second = test_spawn(wait_for, signal);
    test_let_poll();
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_OK(test_join(first));
    test_let_poll();
    CHECK_ERR(ptk_green_join(second, NULL, 0), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(signal);
    CHECK_ERR(test_join(second), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(signal_wakes_one_waiter) {
    test_in_green(wake_in_order);
}

/* A signal of a thread without a loop, and one in the middle of the poller's sleep (EINTR). */
static void *raise_here(void *thread) {
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_EQ(pthread_kill(*(pthread_t *) thread, SIGUSR1), 0);
    return NULL;
}

static ptk_err hear_another_thread(void *arg) {
    (void) arg;
    pthread_t self = pthread_self();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        uint64_t heard = 0;
        ptk_waitable_t *signal = signal_waitable(SIGUSR1);
        CHECK_EQ(pthread_create(&thread, NULL, raise_here, &self), 0);
        while (heard < 2) {
            heard += was_heard(test_wait(signal, A_WHILE_MS)) ? ptk_waitable_count() : 0;
        }
        CHECK_EQ(heard, 2);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        ptk_waitable_destroy(signal);
    }
    return PTK_OK;
}

TEST(p11_signal_on_another_thread_and_in_the_middle_of_the_sleep, REAL_THREADS) {
    test_in_green(hear_another_thread);
}

/* A sleep that is interrupted by a signal that the program handles itself continues, and does not end
   early. */
static void *disturb(void *thread) {
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(pthread_kill(*(pthread_t *) thread, SIGUSR1), 0);
        sched_yield();
    }
    return NULL;
}

static ptk_err sleep_disturbed(void *arg) {
    (void) arg;
    pthread_t self = pthread_self();
    pthread_t thread;
    uint64_t start = ptk_now_ns();
    CHECK_EQ(pthread_create(&thread, NULL, disturb, &self), 0);
    CHECK_OK(ptk_sleep_ms(10));
    CHECK(ptk_now_ns() - start >= 10 * PTK_NS_PER_MS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return PTK_OK;
}

TEST(p11_sleep_disturbed_by_the_programs_own_handler, REAL_SIGNALS) {
    struct sigaction own = {.sa_handler = handle};
    CHECK_EQ(sigaction(SIGUSR1, &own, NULL), 0);
    test_in_green(sleep_disturbed);
}
