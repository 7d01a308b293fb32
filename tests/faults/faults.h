/* SPDX-License-Identifier: MIT */
/*
 * Failures of the operating system, injected into whole programs.
 *
 * The system *below* is one of two, and there is an executable for each. In one it is the real system
 * (below.c). There the *wide interceptor* replaces the real table itself, so it receives every call through
 * `ptk_sys_real`, including those of stacks, forks and the overflow handler, which do not use the thread
 * block. In the other it is a simulated host (sim/below.c). There the interceptor is in front of the host's
 * table; calls for the whole process pass through it too, and can fail while the host acts. A simulated run
 * takes no real time, and equal runs make equal calls.
 *
 * The wide interceptor follows the plans of ptk_test_faults.h, and one of its own: the n-th call of any
 * member fails. Its results agree with the kernel's state: a connect that returns EINPROGRESS has begun, a
 * descriptor for which EEXIST is returned is watched, and after EAGAIN for a descriptor that is ready there
 * is another report.
 *
 * A *workload* is a program that uses ptk as programs do: each call may fail, and then it cleans up and goes
 * on. It uses the clock of the system below, creates its loop and destroys it, and records failed calls.
 */
#pragma once

#include <ptk_err.h>
#include <ptk_test_faults.h>

struct epoll_event;

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- the errno table --- */

typedef enum fault_class { FAULT_HANDLED, FAULT_RETRIED, FAULT_ASSERTS, FAULT_UNREACHABLE } fault_class_t;

#define FAULT_OUTCOMES 3

typedef struct fault_pair {
    ptk_sys_member_t member;
    int os_err;
    fault_class_t class;
    char error_name[24];
    bool may_be_ok; /* one outcome is that the program sees nothing */
    size_t outcome_count;
    ptk_err outcomes[FAULT_OUTCOMES];
    bool listed; /* by a page of the manual */
} fault_pair_t;

typedef struct fault_table {
    fault_pair_t pairs[512];
    size_t count;
} fault_table_t;

/* Returns the table that is read from errno_table.txt. The test fails if the file has a syntax error, an
   unknown name, or a pair that is there twice; if a page lists a pair that is not classified; or if a pair is
   classified that no page lists. */
const fault_table_t *fault_table(void);

/* Returns the name of the member in ptk_sys_t. */
const char *fault_member_name(ptk_sys_member_t member);

/* Returns whether the platform of this run makes this call. */
bool fault_member_is_here(ptk_sys_member_t member);

/* --- the system below --- */

/* The table of the system below, without the interceptor. */
extern const ptk_sys_t *const below_sys;

/* Runs body(argument) in this process, or as the main of a simulated host, which must end and leave nothing
   behind. */
void below_run(void (*body)(const void *argument), const void *argument);

/* How a body on a simulated host ended. */
typedef enum below_end {
    BELOW_WELL,
    BELOW_REMAINS, /* it left something behind */
    BELOW_WAITS,   /* it waits for an event that does not come, or waits again and again */
    BELOW_MISSED,  /* it waits, and a descriptor that it waits for is ready */
    BELOW_SPINS,   /* it takes steps in which hardly any time passes */
} below_end_t;

/* Runs body(argument) as the main of a simulated host, and returns how it ended. `words_out` receives a
   description, unless that is BELOW_WELL. */
below_end_t below_try(void (*body)(const void *argument), const void *argument, const char **words_out);

/* Returns whether a run takes no real time and repeats exactly, so that there is no limit to their number. */
bool below_is_quick(void);

/* Returns whether the current code belongs to the program into which failures are injected: always on the
   real system, while the host acts on a simulated one. */
bool below_is_acting(void);

/* From begin to end, time passes only where the loop's poller would sleep, and by advance. */
void below_clock_begin(void);
void below_clock_end(void);
void below_clock_advance(uint64_t ns);

/* Records a successful epoll_ctl, so that below_report_again() can make the epoll report the descriptor anew:
   the program has received the result that nothing is ready. */
void below_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      const struct epoll_event *event);
void below_report_again(ptk_os_handle_t handle);

/* Descriptors of the test's own, whose calls never fail. below_pair() connects two, and is called outside any
   green thread; below_always_ready() returns one that is always ready. below_fill() writes until nothing more
   is accepted and returns the number of bytes; below_read() reads at most `bytes` and returns how many. */
void below_pair(ptk_os_handle_t handles[2]);
ptk_os_handle_t below_always_ready(void);
void below_write(ptk_os_handle_t handle, size_t bytes);
size_t below_fill(ptk_os_handle_t handle);
size_t below_read(ptk_os_handle_t handle, size_t bytes);
void below_close(ptk_os_handle_t handle);

/* Returns the size of a message that does not fit into the buffers of a connection. */
size_t below_big_bytes(void);

/* Puts the interceptor in front of the system below, before anything reads a table. */
void below_intercept(ptk_interceptor_t *interceptor);

/* --- the wide interceptor --- */

/* Removes all plans, and sets all counts to zero. */
void wide_reset(void);

/* Plans a failure of the n-th call from now on, or of it and all later ones, with the errno that
   wide_choose() returns. Allocations are not among the calls. */
void wide_plan(uint32_t nth, unsigned index, ptk_test_fault_span_t span);

/* Returns the number of calls since the last plan or reset. */
uint32_t wide_calls(void);

/* Returns an errno that the table has for the member. `index` counts through those that are handled and, for
   a single failure, those after which the call is retried. Returns EIO if the table has none. */
int wide_choose(ptk_sys_member_t member, unsigned index, ptk_test_fault_span_t span);

/* Returns how many calls have failed by any plan, not counting allocations. */
uint32_t wide_failures(void);

/* Return how many handles ptk has opened and not closed, and how many arenas it has mapped and not tried to
 * unmap. */
int wide_handles(void);
int wide_mappings(void);

/* --- workloads --- */

typedef struct workload {
    const char *name;
    void (*run)(void);
} workload_t;

extern const workload_t workloads[];
extern const size_t workload_count;

/* Runs the workload on the system below and checks that no handle, mapping or allocation is left. Returns how
   many calls failed. */
size_t workload_run(const workload_t *workload);

/* Runs the workload, up to three times, and returns whether there was a run in which no call failed. The
   caller has planned no failure. There are three tries because the test's clock does not wait for the kernel,
   so a packet that is late on the loopback of a busy machine causes a timeout. */
bool workload_succeeds(const workload_t *workload);

/* Returns whether a call of the last run failed with `err`. */
bool workload_saw(ptk_err err);
/* Returns the name of the error with which the first call of the last run failed. */
const char *workload_first_failure(void);
