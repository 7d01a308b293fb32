/* SPDX-License-Identifier: MIT */
/*
 * Faults of the operating system, fired at whole programs.
 *
 * What lies *below* is one of two, and there is an executable for each. The real system (below.c): the *wide
 * interceptor* stands in front of the real table itself, so whatever uses `ptk_sys_real` reaches it, also
 * stacks, forks and the overflow handler, which do not use the thread block. Or a simulated host
 * (sim/below.c), where it stands in front of the host's table, and in front of the real one in what concerns
 * the process while the host acts; nothing takes real time there, and every run is like the other.
 *
 * The wide interceptor follows the plans of ptk_test_faults.h, and one of its own: the n-th call of whatever
 * member. It stays truthful where the kernel's state is concerned: a connect that answers EINPROGRESS has
 * begun, a number that "exists" is watched, and EAGAIN for what is ready is followed by a report.
 *
 * A *workload* is a program that uses ptk as programs do: each call may fail, and then it cleans up and goes
 * on. It runs on the clock of what lies below, creates its loop and destroys it, and notes what failed.
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
    bool may_be_ok; /* an outcome is: the program sees nothing */
    size_t outcome_count;
    ptk_err outcomes[FAULT_OUTCOMES];
    bool listed; /* by the manual's lines */
} fault_pair_t;

typedef struct fault_table {
    fault_pair_t pairs[512];
    size_t count;
} fault_table_t;

/* The table from errno_table.txt. Every syntax error, unknown name, and pair that comes twice, that a page
   lists and nobody classified, or the other way round, fails the test. */
const fault_table_t *fault_table(void);

const char *fault_member_name(ptk_sys_member_t member);

/* Is it a call that the platform of this run makes? */
bool fault_member_is_here(ptk_sys_member_t member);

/* --- what lies below --- */

extern const ptk_sys_t *const below_sys;

/* Run body(argument) where workloads run: in this process, or as the main of a simulated host, which must
   leave nothing behind and come to an end. */
void below_run(void (*body)(const void *argument), const void *argument);

/* The same where the body need not do well; on a simulated host only. How it ended, and in words, unless it
   did well. */
typedef enum below_end {
    BELOW_WELL,
    BELOW_REMAINS, /* it left something behind */
    BELOW_WAITS,   /* for what does not come, or for ever anew */
    BELOW_MISSED,  /* it waits, and a descriptor that it waits for is ready */
    BELOW_SPINS,   /* it is busy, and hardly any time passes */
} below_end_t;
below_end_t below_try(void (*body)(const void *argument), const void *argument, const char **words_out);

/* Are runs quick, and each like the other, so that no number of them is too big? */
bool below_is_quick(void);

/* Does the program run that the plans are for? On the real system always. */
bool below_is_acting(void);

/* Time passes only where the loop's poller would sleep, and here. */
void below_clock_begin(void);
void below_clock_end(void);
void below_clock_advance(uint64_t ns);

/* Somebody was told that nothing is ready: what is ready is reported anew. For that, what epolls watch. */
void below_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      const struct epoll_event *event);
void below_report_again(ptk_os_handle_t handle);

/* Descriptors that are not ptk's, and that no plan strikes: a connected pair, outside any green thread; one
   that is always ready. Fill: until nothing more goes in. Read: at most that much. */
void below_pair(ptk_os_handle_t handles[2]);
ptk_os_handle_t below_always_ready(void);
void below_write(ptk_os_handle_t handle, size_t bytes);
size_t below_fill(ptk_os_handle_t handle);
size_t below_read(ptk_os_handle_t handle, size_t bytes);
void below_close(ptk_os_handle_t handle);

/* A message of so many bytes does not fit into the buffers of a connection. */
size_t below_big_bytes(void);

/* Puts the interceptor in front of what lies below, before anything reads a table. */
void below_intercept(ptk_interceptor_t *interceptor);

/* --- the wide interceptor --- */

/* Forget all plans, and count from zero. */
void wide_reset(void);

/* The n-th call from now on fails with an errno that the table has for its member, of those that `turn`
   takes turns among; once, or it and all later ones. Allocations are not among the calls. */
void wide_plan(uint32_t nth, unsigned turn, ptk_test_fault_span_t span);
uint32_t wide_calls(void);

/* What `member` is to fail with: the errors that are handled, in turn, and for once also those after which it
   is tried again; EIO if nothing of it can happen. */
int wide_choose(ptk_sys_member_t member, unsigned turn, ptk_test_fault_span_t span);

/* How many calls have failed by any plan, allocations aside. */
uint32_t wide_failures(void);

/* Handles that ptk has opened and not closed; arenas that it has mapped and not tried to unmap. */
int wide_handles(void);
int wide_mappings(void);

/* --- workloads --- */

typedef struct workload {
    const char *name;
    void (*run)(void);
} workload_t;

extern const workload_t workloads[];
extern const size_t workload_count;

/* Run it below: no handle, mapping or allocation may be left. Answers how many calls failed. */
size_t workload_run(const workload_t *workload);

/* Run it, which is to fail in nothing. On a busy machine the kernel delivers over loopback later than at
   once, which a clock that does not wait takes for a timeout: so it has three tries, without plans of its
   own. */
bool workload_succeeds(const workload_t *workload);

/* Did one of the calls of the last run answer `err`? The name of what the first one that failed answered. */
bool workload_saw(ptk_err err);
const char *workload_first_failure(void);
