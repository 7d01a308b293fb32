/* SPDX-License-Identifier: MIT */
/*
 * What the conformance suite stands on: a loop in the configuration that the environment asks for, green
 * threads with few words, descriptors to wait for, a recorder for the order of events, and a clock that a
 * test moves itself.
 *
 * The configuration: PTK_PLATFORM=epoll|poll is read by ptk; PTK_TEST_FOREIGN=1 hands the loop's scheduling
 * to libpcl; PTK_TEST_HOSTILE=seed puts a hostile kernel below the loop (see ptk_test_hostile.h).
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

/* Is this the configuration with foreign coroutines? */
bool test_is_foreign(void);

/* For what only ptk's own stacks can do, and for what only foreign coroutines can: leaves the test, skipped.
 */
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

/* This thread's loop in the configuration of this run; the second with options of the test's. Never NULL. */
ptk_event_loop_platform_t *test_loop(void);
ptk_event_loop_platform_t *test_loop_with(const ptk_event_loop_platform_options_t *options);

/* Destroy it, which must be OK. */
void test_loop_end(ptk_event_loop_platform_t *loop);

/* Hand a loop's scheduling to libpcl: with its spawn hook or without. */
void test_install_foreign(ptk_event_loop_platform_t *loop, bool with_spawn);

/* A loop, one green thread that runs fn(NULL) and must answer OK, and the loop's end. */
void test_in_green(ptk_green_fn fn);

/* ptk_scheduler_run() of the current loop, which must be OK. */
void test_run(void);

/* The counters of the current loop. */
ptk_scheduler_counters_t test_counters(void);

/* --- green threads -------------------------------------------------------------------------------------- */

/* Spawn in the current loop; it must not fail. test_go is fire and forget. */
#define test_spawn(fn, arg) test_check_spawned(ptk_green_spawn(NULL, NULL, fn, arg))
#define test_go(fn, arg)    CHECK_OK(ptk_go(NULL, fn, arg))
ptk_green_t *test_check_spawned(ptk_green_t *green);

/* Join it without limit; its result. */
ptk_err test_join(ptk_green_t *green);

/* Let every green thread that is runnable run once. */
void test_yield(void);

/* Park until the loop has taken a tick, so that what is ready by now is delivered. */
void test_let_poll(void);

/* A USER waitable of the current loop; it must not fail. */
ptk_waitable_t *test_user(void);

/* A SOCKET waitable, and a TIMER waitable of `first_ms` and `period_ms`, of the current loop; they must not
 * fail. */
ptk_waitable_t *test_fd_waitable(int fd);
ptk_waitable_t *test_timer_waitable(uint32_t first_ms, uint32_t period_ms);

/* Wait for READ. */
ptk_err test_wait(ptk_waitable_t *waitable, uint32_t timeout_ms);

/* --- the order of events -------------------------------------------------------------------------------- */

/* Append to the notes; the notes so far; start anew. */
void test_note(char what);
const char *test_notes(void);
void test_notes_clear(void);

/* --- descriptors ---------------------------------------------------------------------------------------- */

/* Non-blocking and close-on-exec: a connected pair of AF_UNIX stream sockets; a pipe, read end first. Both
 * are pairs of TCP on a simulated host. */
void test_socketpair(int fds[2]);
void test_pipe(int fds[2]);
void test_close_pair(const int fds[2]);

/* Write exactly `bytes`, of which the first must be accepted at once; read at most `bytes`, which must not
 * fail. */
void test_write(int fd, size_t bytes);
size_t test_read(int fd, size_t bytes);

/* Write until nothing more goes in; how much it was. */
size_t test_fill(int fd);

/* --- time that the test moves --------------------------------------------------------------------------- */

/*
 * From begin to end this OS thread's clock stands still; it moves when the loop's poller would sleep (by just
 * that long, so that nothing takes real time) and by test_clock_advance(). Begin before the loop is created.
 */
void test_clock_begin(uint64_t start_ns);
void test_clock_end(void);
void test_clock_advance(uint64_t ns);

/* Call fn(arg) when a sleep of the poller reaches `when_ns`, before that sleep goes on. One at a time; it
 * must not wait. */
void test_clock_at(uint64_t when_ns, void (*fn)(void *arg), void *arg);

/* From now on each sleep of the poller ends after half its time, with nothing to show. */
void test_clock_wake_early(bool on);

/* --- decisions ------------------------------------------------------------------------------------------ */

/* From now on `oracle` decides what ptk and the test leave open, until NULL: who decided before. What the
 * kernel of a simulated host does is none of that, and benign meanwhile. */
void test_decide_by(ptk_choice_oracle_t *oracle);

/* --- reports and logs ----------------------------------------------------------------------------------- */

/* From now on reports, and lines of the log, are kept and not printed; test_report_has: is `text` in them? */
void test_capture_begin(void);
const char *test_captured_report(void);
bool test_report_has(const char *text);
size_t test_log_lines(void);
const char *test_captured_log(void);
void test_capture_end(void);

/* --- floating-point control words ----------------------------------------------------------------------- */

/* The rounding mode of every floating-point unit of this thread; known: can it be set here at all? */
typedef enum test_rounding { TEST_ROUND_NEAREST, TEST_ROUND_DOWN, TEST_ROUND_UP } test_rounding_t;
bool test_rounding_is_known(void);
void test_rounding_set(test_rounding_t mode);
test_rounding_t test_rounding_get(void);

/* --- foreign coroutines (only where libpcl is) ---------------------------------------------------------- */

#ifdef PTK_TEST_HAVE_PCL
/* The hooks of an adapter for libpcl; spawn is NULL without `with_spawn`. */
ptk_scheduler_hooks_t foreign_pcl_hooks(bool with_spawn);

/* A coroutine of libpcl's own, unknown to ptk: it runs fn(arg) at once until it suspends or ends. */
void *foreign_pcl_start(void (*fn)(void *arg), void *arg);

/* Has it ended? Free it then. */
bool foreign_pcl_has_ended(const void *coroutine);
void foreign_pcl_free(void *coroutine);
#endif
