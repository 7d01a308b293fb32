/* SPDX-License-Identifier: MIT */
/*
 * The base of the conformance suite: a loop in the configuration that the environment selects, short calls
 * for green threads, descriptors to wait for, a recorder for the order of events, and a clock that only the
 * test advances.
 *
 * The configuration: PTK_PLATFORM=epoll|poll is read by ptk; PTK_TEST_FOREIGN=pcl|queued|at-once gives
 * the loop's scheduling to a coroutine library: libpcl, or that of coroutines.h; PTK_TEST_HOSTILE=seed puts a
 * hostile kernel below the loop (see ptk_test_hostile.h).
 */
#pragma once

#include "base/ptk_choice.h"
#include "descriptors.h"
#include <ptk.h>
#include <ptk_test.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- loops ---------------------------------------------------------------------------------------------- */

/* Returns whether this is the configuration with foreign coroutines. */
bool test_is_foreign(void);

/* Skip the rest of the test: the first where only ptk's own stacks can pass it, the second where only foreign
 * coroutines can. */
#define TEST_NEEDS_OWN_STACKS(reason)                                                                        \
    do {                                                                                                     \
        if (test_is_foreign()) {                                                                             \
            SKIP(reason);                                                                                    \
        }                                                                                                    \
    } while (0)
#define TEST_NEEDS_FOREIGN()                                                                                 \
    do {                                                                                                     \
        if (!test_is_foreign()) {                                                                            \
            SKIP("about foreign coroutines");                                                                \
        }                                                                                                    \
    } while (0)

/* Create this thread's loop in the configuration of this run, the second with options. They never return
 * NULL. */
ptk_event_loop_platform_t *test_loop(void);
ptk_event_loop_platform_t *test_loop_with(const ptk_event_loop_platform_options_t *options);

/* Destroys the loop, which must succeed. */
void test_loop_end(ptk_event_loop_platform_t *loop);

/* Gives a loop's scheduling to the coroutine library, with its spawn hook or without. */
void test_install_foreign(ptk_event_loop_platform_t *loop, bool with_spawn);

/* Creates a loop, runs fn(NULL) in a green thread, which must return PTK_OK, and destroys the loop. */
void test_in_green(ptk_green_fn fn);

/* Runs the current loop until it ends, which must succeed. */
void test_run(void);

/* Returns the counters of the current loop. */
ptk_scheduler_counters_t test_counters(void);

/* --- green threads -------------------------------------------------------------------------------------- */

/* Spawn a green thread in the current loop, which must succeed. That of test_go is not joined. */
#define test_spawn(fn, arg) test_check_spawned(ptk_green_spawn(NULL, NULL, fn, arg))
#define test_go(fn, arg)    CHECK_OK(ptk_go(NULL, fn, arg))
ptk_green_t *test_check_spawned(ptk_green_t *green);

/* Joins the green thread without a limit, and returns its result. */
ptk_err test_join(ptk_green_t *green);

/* Lets every runnable green thread run once. */
void test_yield(void);

/* Parks until the loop has taken a tick, so that everything that is ready by now has been delivered. */
void test_let_poll(void);

/* Creates a USER waitable of the current loop, which must succeed. */
ptk_waitable_t *test_user(void);

/* Create a SOCKET waitable and a TIMER waitable of the current loop, which must succeed. */
ptk_waitable_t *test_fd_waitable(int fd);
ptk_waitable_t *test_timer_waitable(uint32_t first_ms, uint32_t period_ms);

/* Waits for READ, and returns the result. */
ptk_err test_wait(ptk_waitable_t *waitable, uint32_t timeout_ms);

/* --- the order of events -------------------------------------------------------------------------------- */

/* Append a letter to the notes, return all notes since they were cleared, and clear them. */
void test_note(char what);
const char *test_notes(void);
void test_notes_clear(void);

/* Bodies of green threads that leave notes: the letter before each of three yields; 's' after a sleep of so
   many milliseconds (uint32_t); 'w' after a wait for a waitable. */
ptk_err test_body_yield_thrice(void *letter);
ptk_err test_body_sleep_ms(void *ms);
ptk_err test_body_wait(void *waitable);

/* --- descriptors ---------------------------------------------------------------------------------------- */

/* Open a connected pair of AF_UNIX stream sockets, and a pipe, read end first; and close a pair. The
 * descriptors are non-blocking and close-on-exec. On a simulated host both pairs are TCP connections. */
void test_socketpair(int fds[2]);
void test_pipe(int fds[2]);
void test_close_pair(const int fds[2]);

/* Writes `bytes` zeros, which the kernel must accept at once and in one piece. */
void test_write(int fd, size_t bytes);

/* Reads at most `bytes`, which must not fail, and returns how many bytes came. */
size_t test_read(int fd, size_t bytes);

/* Writes until the kernel accepts nothing more, and returns the number of bytes. */
size_t test_fill(int fd);

/* --- time that the test moves --------------------------------------------------------------------------- */

/*
 * Stop this OS thread's clock, from begin to end. It advances only where the loop's poller would sleep, by
 * the length of that sleep, so that no wait takes real time, and by test_clock_advance(). A test calls begin
 * before it creates the loop.
 */
void test_clock_begin(uint64_t start_ns);
void test_clock_end(void);
void test_clock_advance(uint64_t ns);

/* Plans a call of fn(arg) for when a sleep of the poller reaches `when_ns`, before that sleep goes on. There
 * is one planned call at a time, and fn must not wait. */
void test_clock_at(uint64_t when_ns, void (*fn)(void *arg), void *arg);

/* Sets whether each sleep of the poller ends after half of its time, without an event. */
void test_clock_wake_early(bool on);

/* --- decisions ------------------------------------------------------------------------------------------ */

/* Sets the oracle for the decisions of ptk and of the test; NULL restores the earlier one. Meanwhile the
 * decisions of a simulated host's kernel are benign. */
void test_decide_by(ptk_choice_oracle_t *oracle);

/* --- reports and logs ----------------------------------------------------------------------------------- */

/* Store reports and lines of the log, from begin to end, instead of printing them. test_report_has() returns
 * whether the stored reports contain `text`. */
void test_capture_begin(void);
const char *test_captured_report(void);
bool test_report_has(const char *text);
size_t test_log_lines(void);
const char *test_captured_log(void);
void test_capture_end(void);

/* --- floating-point control words ----------------------------------------------------------------------- */

/* The rounding mode of every floating-point unit of this thread. test_rounding_is_known() returns whether the
 * mode can be set on this CPU. */
typedef enum test_rounding { TEST_ROUND_NEAREST, TEST_ROUND_DOWN, TEST_ROUND_UP } test_rounding_t;
bool test_rounding_is_known(void);
void test_rounding_set(test_rounding_t mode);
test_rounding_t test_rounding_get(void);

/* --- foreign coroutines --------------------------------------------------------------------------------- */

/* A coroutine library as tests use it. */
typedef struct test_foreign {
    const char *name; /* in PTK_TEST_FOREIGN */
    ptk_scheduler_hooks_t (*hooks)(void);
    void *(*start)(void (*fn)(void *arg), void *arg);
    bool (*has_ended)(const void *coroutine);
    void (*free)(void *coroutine);
    /* Runs what is runnable, and returns whether anything was; NULL: `resume` runs coroutines at once. */
    bool (*run)(void);
    void (*cancel)(void *coroutine); /* and the next: NULL where `run` is */
    void (*yield)(void);
} test_foreign_t;

extern const test_foreign_t foreign_queued;
extern const test_foreign_t foreign_at_once;
#ifdef PTK_TEST_HAVE_PCL
extern const test_foreign_t foreign_pcl;
#endif

/* Returns the library of this configuration, NULL if it has none. */
const test_foreign_t *test_foreign(void);

/* Starts a coroutine that ptk has not created: it runs fn(arg) at once, until it suspends or ends. */
void *foreign_start(void (*fn)(void *arg), void *arg);

/* Returns whether the coroutine has ended; then it must be freed. */
bool foreign_has_ended(const void *coroutine);
void foreign_free(void *coroutine);

/* Run the loop like the functions of ptk. Where the library has a run queue, it runs between the polls of
 * which a run consists then. */
ptk_err test_scheduler_run(ptk_event_loop_platform_t *loop);
ptk_err test_scheduler_poll(ptk_event_loop_platform_t *loop, uint32_t timeout_ms, uint32_t *next_ms_out);
#define ptk_scheduler_run(loop)                           test_scheduler_run(loop)
#define ptk_scheduler_poll(loop, timeout_ms, next_ms_out) test_scheduler_poll(loop, timeout_ms, next_ms_out)
