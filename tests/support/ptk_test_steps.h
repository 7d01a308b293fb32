/* SPDX-License-Identifier: MIT */
/*
 * The cost of a piece of a program in machine instructions, counted by single-stepping a child process: the
 * same on a busy machine as on a quiet one, unlike a time. Tests compare the counts of a small and of a large
 * program, so that a cost which grows with the number of objects is found.
 *
 *     static void end_one_of(size_t count) {
 *         ... make `count` objects ...
 *         ptk_test_steps_begin();
 *         ... end one ...
 *         ptk_test_steps_end();
 *     }
 *     ptk_test_check_growth(end_one_of, 100, 1000, 2.0);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Mark the piece whose instructions are counted. Each is called once. */
void ptk_test_steps_begin(void);
void ptk_test_steps_end(void);

/* Runs `body` in a child and returns the instructions between the two marks. A system call counts as one.
 * Skips the test where they cannot be counted: under sanitizers, Valgrind and emulators, and where tracing is
 * denied. */
uint64_t ptk_test_steps(void (*body)(size_t count), size_t count);

/* Fails unless the steps of `body` with `large` are at most `ratio` times those with `small`. */
void ptk_test_check_growth(void (*body)(size_t count), size_t small, size_t large, double ratio);
