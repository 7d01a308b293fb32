/* SPDX-License-Identifier: MIT */
/* The walk checks every frame pointer, and the report prints one line per frame. */
#include "context/ptk_backtrace.h"
#include "ptk_log.h"
#include "ptk_test.h"

#include <stdio.h>
#include <string.h>

#define WORDS 64

static uintptr_t memory[WORDS];
static const void *frames[WORDS];

static void link_frame(size_t at, size_t next, uintptr_t return_address) {
    memory[at] = next < WORDS ? (uintptr_t) &memory[next] : (uintptr_t) next;
    memory[at + 1] = return_address;
}

static size_t walk(size_t at) {
    return ptk_backtrace_walk(memory, &memory[at], &memory[0], &memory[WORDS], frames, WORDS);
}

static void need_frame_layout(void) {
#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(__i386__)
    SKIP("frames have another layout on this CPU");
#endif
}

TEST(a_walk_follows_a_chain_of_frames) {
    need_frame_layout();
    link_frame(2, 10, 0x1000);
    link_frame(10, 20, 0x2000);
    link_frame(20, WORDS, 0x3000); /* an address that no frame can have */
    CHECK_EQ(walk(2), 4);
    CHECK_EQ(frames[0], (const void *) memory);
    CHECK_EQ(frames[1], (const void *) 0x1000);
    CHECK_EQ(frames[2], (const void *) 0x2000);
    CHECK_EQ(frames[3], (const void *) 0x3000);
}

TEST(a_walk_ends_at_a_loop_of_frames) {
    need_frame_layout();
    link_frame(10, 20, 0x1000);
    link_frame(20, 10, 0x2000);
    CHECK_EQ(walk(10), 3);
    link_frame(10, 10, 0x1000);
    CHECK_EQ(walk(10), 2);
}

TEST(a_walk_reads_nothing_outside_the_stack) {
    need_frame_layout();
    memory[WORDS - 1] = (uintptr_t) &memory[0];
    CHECK_EQ(walk(WORDS - 1), 1); /* half a frame */
    memory[10] = 8;               /* below */
    memory[11] = 0x1000;
    CHECK_EQ(walk(10), 2);
    memory[10] = UINTPTR_MAX - 7; /* above */
    CHECK_EQ(walk(10), 2);
    memory[10] = (uintptr_t) &memory[20] + 1; /* not aligned */
    CHECK_EQ(walk(10), 2);
}

TEST(a_walk_stops_at_the_capacity_of_its_array) {
    const void *few[2];
    need_frame_layout();
    link_frame(2, 10, 0x1000);
    link_frame(10, 20, 0x2000);
    CHECK_EQ(ptk_backtrace_walk(memory, &memory[2], &memory[0], &memory[WORDS], few, 2), 2);
    CHECK_EQ(ptk_backtrace_walk(memory, &memory[2], &memory[0], &memory[WORDS], few, 0), 0);
    CHECK_EQ(ptk_backtrace_walk(NULL, &memory[2], &memory[0], &memory[WORDS], few, 2), 0);
}

__attribute__((noinline)) static size_t walk_own_stack(int depth) {
    size_t count = depth > 0 ? walk_own_stack(depth - 1) : ptk_backtrace_here(NULL, NULL, frames, WORDS);
    __asm__ volatile("" : "+r"(count));
    return count;
}

TEST(a_stack_of_unknown_bounds_can_be_walked) {
    need_frame_layout();
    CHECK(walk_own_stack(5) >= 6);
}

static char lines[8][512];
static size_t line_count;

static void keep_line(void *context, const char *line) {
    (void) context;
    CHECK(line_count < 8);
    snprintf(lines[line_count++], sizeof lines[0], "%s", line);
}

TEST(a_report_has_a_line_per_frame) {
    const void *some[] = {(const void *) (uintptr_t) ptk_test_register, (const void *) 1,
                          (const void *) memory};
    ptk_log_set_report_sink(keep_line, NULL);
    ptk_backtrace_report(some, 3);
    ptk_log_set_report_sink(NULL, NULL);
    CHECK_EQ(line_count, 3);
    CHECK(strncmp(lines[0], "    #0 ", 7) == 0);
    CHECK_STR(lines[1], "    #1 0x1");
    CHECK(strncmp(lines[2], "    #2 ", 7) == 0);
}

/* A return address may be that of the next function: the name and the offset in the module are the call's. */
TEST(a_report_names_static_functions) {
    const void *some[] = {(const void *) (uintptr_t) keep_line, (const char *) (uintptr_t) keep_line + 1};
    ptk_log_set_report_sink(keep_line, NULL);
    ptk_backtrace_report(some, 2);
    ptk_log_set_report_sink(NULL, NULL);
    CHECK(strncmp(lines[0], "    #0 keep_line+0x0 (", 22) == 0);
    CHECK(strncmp(lines[1], "    #1 keep_line+0x1 (", 22) == 0);
    CHECK_STR(strrchr(lines[0], '+'), strrchr(lines[1], '+'));
}
