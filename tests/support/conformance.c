/* SPDX-License-Identifier: MIT */
#include "conformance.h"

#include "base/ptk_thread.h"
#include "ptk_test_hostile.h"
#include "sim/kernel/ptk_sim_site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- loops ---------------------------------------------------------------------------------------------- */

const test_foreign_t *test_foreign(void) {
    static const test_foreign_t *const libraries[] = {
        &foreign_queued,
        &foreign_at_once,
#ifdef PTK_TEST_HAVE_PCL
        &foreign_pcl,
#endif
    };
    const char *name = getenv("PTK_TEST_FOREIGN");
    for (size_t i = 0; name && i < sizeof libraries / sizeof libraries[0]; i++) {
        if (strcmp(libraries[i]->name, name) == 0) {
            return libraries[i];
        }
    }
    return NULL;
}

bool test_is_foreign(void) {
    return test_foreign() != NULL;
}

void test_install_foreign(ptk_event_loop_platform_t *loop, bool with_spawn) {
    ptk_scheduler_hooks_t hooks = test_foreign()->hooks();
    hooks.spawn = with_spawn ? hooks.spawn : NULL;
    CHECK_OK(ptk_scheduler_set_hooks(loop, &hooks));
}

void *foreign_start(void (*fn)(void *arg), void *arg) {
    return test_foreign()->start(fn, arg);
}

bool foreign_has_ended(const void *coroutine) {
    return test_foreign()->has_ended(coroutine);
}

void foreign_free(void *coroutine) {
    test_foreign()->free(coroutine);
}

#undef ptk_scheduler_run
#undef ptk_scheduler_poll

/* Returns whether the library has a run queue, and this is the stack that runs it. */
static bool test_library_runs(void) {
    return test_foreign() && test_foreign()->run && !test_foreign()->hooks().current(NULL);
}

ptk_err test_scheduler_poll(ptk_event_loop_platform_t *loop, uint32_t timeout_ms, uint32_t *next_ms_out) {
    if (!test_library_runs()) {
        return ptk_scheduler_poll(loop, timeout_ms, next_ms_out);
    }
    (void) test_foreign()->run();
    ptk_err err = ptk_scheduler_poll(loop, timeout_ms, next_ms_out);
    bool any = test_foreign()->run();
    if (any && err == PTK_OK && test_counters().green_threads == 0) {
        return ptk_scheduler_poll(loop, 0, next_ms_out);
    }
    CHECK(!any || !next_ms_out || ptk_scheduler_next_ms(loop, next_ms_out) == PTK_OK);
    return err;
}

ptk_err test_scheduler_run(ptk_event_loop_platform_t *loop) {
    if (!test_library_runs()) {
        return ptk_scheduler_run(loop);
    }
    for (;;) {
        ptk_err err = test_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, NULL);
        if (err == PTK_ERR_DONE && test_counters().green_threads > 0) {
            err = ptk_scheduler_stop(loop); /* daemons alone */
        }
        if (err != PTK_OK) {
            return err == PTK_ERR_DONE ? PTK_OK : err;
        }
    }
}

ptk_event_loop_platform_t *test_loop_with(const ptk_event_loop_platform_options_t *options) {
    if (ptk_test_is_hostile()) {
        ptk_test_hostile_install();
    }
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(options);
    CHECK(loop != NULL);
    if (test_is_foreign()) {
        test_install_foreign(loop, true);
    }
    return loop;
}

ptk_event_loop_platform_t *test_loop(void) {
    return test_loop_with(NULL);
}

void test_loop_end(ptk_event_loop_platform_t *loop) {
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
}

void test_in_green(ptk_green_fn fn) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(fn, NULL);
    ptk_err result = PTK_ERR_OS;
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    test_loop_end(loop);
}

void test_run(void) {
    CHECK_OK(test_scheduler_run(NULL));
}

ptk_scheduler_counters_t test_counters(void) {
    ptk_scheduler_counters_t counters = PTK_SCHEDULER_COUNTERS_INIT;
    CHECK_OK(ptk_scheduler_counters(NULL, &counters));
    return counters;
}

/* --- green threads -------------------------------------------------------------------------------------- */

ptk_green_t *test_check_spawned(ptk_green_t *green) {
    CHECK(green != NULL);
    return green;
}

ptk_err test_join(ptk_green_t *green) {
    ptk_err result = PTK_OK;
    CHECK_OK(ptk_green_join(green, &result, PTK_TIMEOUT_INFINITE));
    return result;
}

void test_yield(void) {
    CHECK_OK(ptk_yield());
}

void test_let_poll(void) {
    CHECK_OK(ptk_sleep_ms(1));
}

ptk_waitable_t *test_user(void) {
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    CHECK(waitable != NULL);
    return waitable;
}

ptk_waitable_t *test_fd_waitable(int fd) {
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fd));
    CHECK(waitable != NULL);
    return waitable;
}

ptk_waitable_t *test_timer_waitable(uint32_t first_ms, uint32_t period_ms) {
    ptk_timer_spec_t spec = {.first_ns = first_ms * PTK_NS_PER_MS, .period_ns = period_ms * PTK_NS_PER_MS};
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, &spec);
    CHECK(waitable != NULL);
    return waitable;
}

ptk_err test_wait(ptk_waitable_t *waitable, uint32_t timeout_ms) {
    return ptk_waitable_wait(waitable, PTK_EVENT_READ, timeout_ms);
}

/* --- the order of events -------------------------------------------------------------------------------- */

static char notes[4096];
static size_t notes_length;

void test_note(char what) {
    CHECK(notes_length + 1 < sizeof notes);
    notes[notes_length++] = what;
    notes[notes_length] = '\0';
}

const char *test_notes(void) {
    return notes;
}

void test_notes_clear(void) {
    notes_length = 0;
    notes[0] = '\0';
}

ptk_err test_body_yield_thrice(void *letter) {
    for (int i = 0; i < 3; i++) {
        test_note(*(const char *) letter);
        test_yield();
    }
    return PTK_OK;
}

ptk_err test_body_sleep_ms(void *ms) {
    CHECK_OK(ptk_sleep_ms(*(uint32_t *) ms));
    test_note('s');
    return PTK_OK;
}

ptk_err test_body_wait(void *waitable) {
    CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
    test_note('w');
    return PTK_OK;
}

/* --- descriptors ---------------------------------------------------------------------------------------- */

void test_socketpair(int fds[2]) {
    CHECK_EQ(fd_socketpair(fds), 0);
}

void test_pipe(int fds[2]) {
    CHECK_EQ(fd_pipe(fds), 0);
}

void test_close_pair(const int fds[2]) {
    CHECK_EQ(fd_close(fds[0]), 0);
    CHECK_EQ(fd_close(fds[1]), 0);
}

void test_write(int fd, size_t bytes) {
    static const char zeros[65536];
    CHECK(bytes <= sizeof zeros);
    CHECK(fd_write(fd, zeros, bytes) == (ssize_t) bytes);
}

size_t test_read(int fd, size_t bytes) {
    static char buffer[65536];
    CHECK(bytes <= sizeof buffer);
    ssize_t got = fd_read(fd, buffer, bytes);
    CHECK(got >= 0);
    return (size_t) got;
}

size_t test_fill(int fd) {
    static const char zeros[65536];
    size_t total = 0;
    for (size_t piece = sizeof zeros; piece > 0;) {
        ssize_t put = fd_write(fd, zeros, piece);
        if (put > 0) {
            total += (size_t) put;
        } else {
            CHECK(errno == EAGAIN);
            piece /= 2;
        }
    }
    return total;
}

/* --- decisions ------------------------------------------------------------------------------------------ */

static struct {
    ptk_choice_oracle_t oracle;
    ptk_choice_oracle_t *chosen;
    ptk_choice_oracle_t *before;
} decisions;

static uint32_t decide(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    bool is_of_the_world = site >= PTK_SIM_SITE_HOST && site <= PTK_SIM_SITE_PLATFORM;
    (void) oracle;
    return is_of_the_world ? 0 : decisions.chosen->choose(decisions.chosen, site, count);
}

void test_decide_by(ptk_choice_oracle_t *oracle) {
    ptk_thread_block_t *block = ptk_thread();
    decisions.before = decisions.chosen ? decisions.before : block->oracle;
    decisions.oracle.choose = decide;
    decisions.chosen = oracle;
    block->oracle = oracle ? &decisions.oracle : decisions.before;
}

/* --- reports and logs ----------------------------------------------------------------------------------- */

typedef struct capture {
    char text[65536];
    size_t length;
    size_t lines;
} capture_t;

static capture_t captured_report;
static capture_t captured_log;

static void capture_line(capture_t *capture, const char *line) {
    size_t length = strlen(line);
    if (capture->length + length + 2 <= sizeof capture->text) {
        memcpy(capture->text + capture->length, line, length);
        capture->text[capture->length + length] = '\n';
        capture->length += length + 1;
        capture->text[capture->length] = '\0';
    }
    capture->lines++;
}

static void capture_report(void *context, const char *line) {
    capture_line(context, line);
}

static void capture_log(void *context, ptk_log_level_t level, const char *line) {
    (void) level;
    capture_line(context, line);
}

void test_capture_begin(void) {
    memset(&captured_report, 0, sizeof captured_report);
    memset(&captured_log, 0, sizeof captured_log);
    ptk_log_set_report_sink(capture_report, &captured_report);
    ptk_log_set_sink(capture_log, &captured_log);
}

void test_capture_end(void) {
    ptk_log_set_report_sink(NULL, NULL);
    ptk_log_set_sink(NULL, NULL);
}

const char *test_captured_report(void) {
    return captured_report.text;
}

const char *test_captured_log(void) {
    return captured_log.text;
}

bool test_report_has(const char *text) {
    return strstr(captured_report.text, text) != NULL;
}

size_t test_log_lines(void) {
    return captured_log.lines;
}

/* --- floating-point control words ----------------------------------------------------------------------- */

/* <fenv.h> would need libm. */
#if defined(__x86_64__)

bool test_rounding_is_known(void) {
    return true;
}

/* Both units number the modes alike: 0 nearest, 1 down, 2 up. */
void test_rounding_set(test_rounding_t mode) {
    uint32_t vector = 0;
    uint16_t scalar = 0;
    __asm__ volatile("stmxcsr %0" : "=m"(vector));
    __asm__ volatile("fnstcw %0" : "=m"(scalar));
    vector = (vector & ~(UINT32_C(3) << 13)) | ((uint32_t) mode << 13);
    scalar = (uint16_t) ((scalar & ~(3u << 10)) | ((unsigned) mode << 10));
    __asm__ volatile("ldmxcsr %0" : : "m"(vector));
    __asm__ volatile("fldcw %0" : : "m"(scalar));
}

test_rounding_t test_rounding_get(void) {
    uint32_t vector = 0;
    uint16_t scalar = 0;
    __asm__ volatile("stmxcsr %0" : "=m"(vector));
    __asm__ volatile("fnstcw %0" : "=m"(scalar));
    CHECK_EQ((vector >> 13) & 3, (scalar >> 10) & 3);
    return (test_rounding_t) ((vector >> 13) & 3);
}

#elif defined(__aarch64__)

bool test_rounding_is_known(void) {
    return true;
}

/* FPCR.RMode: 0 nearest, 1 up, 2 down. */
static const uint64_t rounding_bits[] = {0, 2, 1};

void test_rounding_set(test_rounding_t mode) {
    uint64_t word = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    word = (word & ~(UINT64_C(3) << 22)) | (rounding_bits[mode] << 22);
    __asm__ volatile("msr fpcr, %0" : : "r"(word));
}

test_rounding_t test_rounding_get(void) {
    uint64_t word = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return (test_rounding_t) rounding_bits[(word >> 22) & 3];
}

#else

bool test_rounding_is_known(void) {
    return false;
}

void test_rounding_set(test_rounding_t mode) {
    (void) mode;
}

test_rounding_t test_rounding_get(void) {
    return TEST_ROUND_NEAREST;
}

#endif
