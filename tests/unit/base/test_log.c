/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_assert.h"
#include "base/ptk_heap.h"
#include "base/ptk_memory.h"
#include "base/ptk_log_impl.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct captured {
    int lines;
    int level;
    char line[600];
} captured_t;

static void capture_log(void *context, ptk_log_level_t level, const char *line) {
    captured_t *captured = context;
    captured->lines++;
    captured->level = (int) level;
    strcpy(captured->line, line);
}

static void capture_report(void *context, const char *line) {
    captured_t *captured = context;
    captured->lines++;
    strcpy(captured->line, line);
}

TEST(log_goes_to_its_sink) {
    captured_t captured = {0, -1, ""};
    ptk_log_set_sink(capture_log, &captured);
    ptk_log(PTK_LOG_WARNING, "%s is %d", "it", 42);
    CHECK_EQ(captured.lines, 1);
    CHECK_EQ(captured.level, PTK_LOG_WARNING);
    CHECK_STR(captured.line, "it is 42");
    ptk_log_set_sink(NULL, NULL);
}

TEST(report_goes_to_its_sink) {
    captured_t captured = {0, -1, ""};
    ptk_log_set_report_sink(capture_report, &captured);
    ptk_report("%d%%", 7);
    CHECK_EQ(captured.lines, 1);
    CHECK_STR(captured.line, "7%");
    ptk_log_set_report_sink(NULL, NULL);
}

TEST(report_lines_are_cut) {
    captured_t captured = {0, -1, ""};
    char wide[2000];
    memset(wide, 'x', sizeof wide);
    wide[sizeof wide - 1] = '\0';
    ptk_log_set_report_sink(capture_report, &captured);
    ptk_report("%s", wide);
    CHECK_EQ(strlen(captured.line), 511);
    ptk_log_set_report_sink(NULL, NULL);
}

static void log_and_report(void *argument) {
    char wide[2000];
    memset(wide, 'x', sizeof wide);
    wide[sizeof wide - 1] = '\0';
    (void) argument;
    ptk_log(PTK_LOG_INFO, "one %d", 1);
    ptk_report("two");
    ptk_log(PTK_LOG_INFO, "%s", wide);
    ptk_report("three");
}

TEST(lines_go_to_standard_error_by_default) {
    char output[1200];
    char expected[1200] = "ptk: one 1\ntwo\nptk: ";
    int status = ptk_test_in_child(log_and_report, NULL, output, sizeof output);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    size_t length = strlen(expected);
    memset(expected + length, 'x', 511);
    strcpy(expected + length + 511, "\nthree\n");
    CHECK_STR(output, expected);
}

static void break_an_invariant(void *argument) {
    int one = 1;
    (void) argument;
    ptk_assert(one == 1);
    ptk_assert(one == 2);
    _exit(0);
}

static void free_an_unallocated_block(void *argument) {
    (void) argument;
    ptk_free(&argument);
}

static void end_a_heap_with_a_reservation(void *argument) {
    ptk_heap_t heap;
    (void) argument;
    ptk_heap_init(&heap);
    ptk_heap_reserve(&heap);
    ptk_heap_fini(&heap);
}

TEST(assert_reports_and_aborts) {
    static const struct {
        void (*body)(void *);
        const char *text;
    } deaths[] = {
        {break_an_invariant, "test_log.c:"},
        {break_an_invariant, "broken invariant: one == 2\n"},
        {free_an_unallocated_block, "broken invariant: "},
        {end_a_heap_with_a_reservation, "broken invariant: heap->count == 0 && heap->reserved == 0\n"},
    };
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        char output[1000];
        int status = ptk_test_in_child(deaths[i].body, NULL, output, sizeof output);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        CHECK(strstr(output, deaths[i].text) != NULL);
    }
}
