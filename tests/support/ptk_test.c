/* SPDX-License-Identifier: MIT */
/*
 * The runner. Each test runs in a process of its own: the one whose command line names it, or a child of the
 * process that runs all tests. Descriptors and allocations that a test leaves are found by counting them
 * before and after it.
 */
#include "ptk_test.h"

#include "base/ptk_memory.h"
#include "ptk_test_jail.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_PASSED     0
#define EXIT_FAILED     1
#define EXIT_SKIPPED    77
#define CHECKS_MAX      16
#define DESCRIPTORS_MAX 4096

static ptk_test_t *first_test;
static ptk_test_t **last_link = &first_test;
static void (*end_checks[CHECKS_MAX])(void);
static size_t end_check_count;

void ptk_test_register(ptk_test_t *test) {
    *last_link = test;
    last_link = &test->next;
}

static void (*run_around)(void (*body)(void));
static const char *program = "";
static const ptk_test_t *running;

void ptk_test_run_by(void (*around)(void (*body)(void))) {
    run_around = around;
}

void ptk_test_at_end(void (*check)(void)) {
    if (end_check_count == CHECKS_MAX) {
        ptk_test_failed(__FILE__, __LINE__, "more than %d checks at the end", CHECKS_MAX);
    }
    end_checks[end_check_count++] = check;
}

const char *ptk_test_program(void) {
    return program;
}

const char *ptk_test_name(void) {
    return running ? running->name : "";
}

unsigned ptk_test_flags(void) {
    return running ? running->flags : 0;
}

bool ptk_test_is_long(void) {
    const char *value = getenv("PTK_TEST_LONG");
    return value && *value && strcmp(value, "0") != 0;
}

bool ptk_test_has_time(void) {
    static atomic_llong first_s;
    struct timespec now;
    long long unset = 0;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    (void) atomic_compare_exchange_strong(&first_s, &unset, now.tv_sec + 1); /* never 0 */
    return ptk_test_is_long() || now.tv_sec + 1 - atomic_load(&first_s) < 5;
}

/* splitmix64 */
uint64_t ptk_test_random(ptk_test_random_t *random) {
    uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

uint64_t ptk_test_random_below(ptk_test_random_t *random, uint64_t limit) {
    return ptk_test_random(random) % limit;
}

/* --- checks --------------------------------------------------------------------------------------------- */

/* Writes the line with one write(2), so that lines of several threads do not mix. */
static void write_line(const char *text, size_t length) {
    ssize_t written = write(STDERR_FILENO, text, length);
    (void) written;
}

_Noreturn void ptk_test_failed(const char *file, int line, const char *format, ...) {
    char text[1024];
    va_list arguments;
    int length = snprintf(text, sizeof text, "%s:%d: ", file, line);
    va_start(arguments, format);
    length += vsnprintf(text + length, sizeof text - (size_t) length - 1, format, arguments);
    va_end(arguments);
    if (length > (int) sizeof text - 2) {
        length = (int) sizeof text - 2;
    }
    text[length] = '\n';
    write_line(text, (size_t) length + 1);
    _exit(EXIT_FAILED);
}

_Noreturn void ptk_test_skipped(const char *reason) {
    char text[512];
    int length = snprintf(text, sizeof text, "skipped: %.480s\n", reason);
    write_line(text, (size_t) length);
    _exit(EXIT_SKIPPED);
}

ptk_test_value_t ptk_test_signed(intmax_t value) {
    if (value < 0) {
        return (ptk_test_value_t) {.kind = PTK_TEST_SIGNED, .negative = value};
    }
    return (ptk_test_value_t) {.kind = PTK_TEST_SIGNED, .positive = (uintmax_t) value};
}

ptk_test_value_t ptk_test_unsigned(uintmax_t value) {
    return (ptk_test_value_t) {.kind = PTK_TEST_UNSIGNED, .positive = value};
}

ptk_test_value_t ptk_test_pointer(const volatile void *value) {
    return (ptk_test_value_t) {.kind = PTK_TEST_POINTER, .positive = (uintptr_t) value};
}

static const char *print_value(ptk_test_value_t value, char *text, size_t bytes) {
    if (value.kind == PTK_TEST_POINTER) {
        snprintf(text, bytes, "%#jx", value.positive);
    } else if (value.negative < 0) {
        snprintf(text, bytes, "%jd", value.negative);
    } else {
        snprintf(text, bytes, "%ju", value.positive);
    }
    return text;
}

void ptk_test_check_equal(const char *file, int line, const char *text, ptk_test_value_t got,
                          ptk_test_value_t expected) {
    char left[40];
    char right[40];
    if (got.negative != expected.negative || got.positive != expected.positive) {
        ptk_test_failed(file, line, "%s: got %s, expected %s", text, print_value(got, left, sizeof left),
                        print_value(expected, right, sizeof right));
    }
}

void ptk_test_check_string(const char *file, int line, const char *text, const char *got,
                           const char *expected) {
    bool equal = got && expected ? strcmp(got, expected) == 0 : got == expected;
    if (!equal) {
        ptk_test_failed(file, line, "%s: got \"%s\", expected \"%s\"", text, got ? got : "(NULL)",
                        expected ? expected : "(NULL)");
    }
}

void ptk_test_check_err(const char *file, int line, const char *text, ptk_err got, ptk_err expected) {
    if (got != expected) {
        ptk_test_failed(file, line, "%s: got %s (%d), expected %s; os error %d", text, ptk_err_name(got),
                        (int) got, ptk_err_name(expected), ptk_get_os_err());
    }
}

/* --- children ------------------------------------------------------------------------------------------- */

static _Noreturn void child_main(int error_pipe, void (*body)(void *), void *argument) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(error_pipe, STDERR_FILENO);
    close(error_pipe);
    body(argument);
    _exit(EXIT_PASSED);
}

/* Reads to the end of the stream, so that the child never blocks on a full pipe; keeps what fits. */
static void drain(int fd, char *output, size_t output_bytes) {
    char chunk[512];
    size_t kept = 0;
    for (ssize_t got = read(fd, chunk, sizeof chunk); got > 0; got = read(fd, chunk, sizeof chunk)) {
        size_t room = output_bytes > kept + 1 ? output_bytes - kept - 1 : 0;
        size_t take = (size_t) got < room ? (size_t) got : room;
        if (take > 0) {
            memcpy(output + kept, chunk, take);
            kept += take;
        }
    }
    if (output_bytes > 0) {
        output[kept] = '\0';
    }
}

int ptk_test_in_child(void (*body)(void *), void *argument, char *output, size_t output_bytes) {
    int ends[2];
    int status = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[0]);
        child_main(ends[1], body, argument);
    }
    close(ends[1]);
    drain(ends[0], output, output_bytes);
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

/* --- the runner ----------------------------------------------------------------------------------------- */

static int count_low_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

/* Returns how many descriptors are open, without the one that reads the directory. Without /proc these are
 * the ones below DESCRIPTORS_MAX. */
static int count_descriptors(bool print) {
    DIR *directory = opendir("/proc/self/fd");
    int own = directory ? dirfd(directory) : -1;
    int count = 0;
    if (own < 0) {
        return count_low_descriptors();
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        char target[256];
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == own) {
            continue;
        }
        count++;
        ssize_t length = print ? readlinkat(own, entry->d_name, target, sizeof target) : -1;
        if (length > 0) {
            fprintf(stderr, "  descriptor %s: %.*s\n", entry->d_name, (int) length, target);
        }
    }
    closedir(directory);
    return count;
}

static int run_here(const ptk_test_t *test) {
    running = test;
    int descriptors = count_descriptors(false);
    size_t allocations = ptk_allocations_live();
    if (run_around) {
        run_around(test->run);
    } else {
        test->run();
    }
    for (size_t i = 0; i < end_check_count; i++) {
        end_checks[i]();
    }
    int descriptors_after = count_descriptors(false);
    if (descriptors_after != descriptors) {
        fprintf(stderr, "%s: %d descriptors before, %d after:\n", test->name, descriptors, descriptors_after);
        count_descriptors(true);
        return EXIT_FAILED;
    }
    if (ptk_allocations_live() != allocations) {
        fprintf(stderr, "%s: %zu ptk allocations before, %zu after\n", test->name, allocations,
                ptk_allocations_live());
        return EXIT_FAILED;
    }
    return EXIT_PASSED;
}

static bool run_in_child(const ptk_test_t *test) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        exit(run_here(test));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror(test->name);
        return false;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool good = code == EXIT_PASSED || code == EXIT_SKIPPED;
    printf("%-4s %s", code == EXIT_PASSED ? "ok" : good ? "skip" : "FAIL", test->name);
    if (WIFSIGNALED(status)) {
        printf(" (signal %d)", WTERMSIG(status));
    }
    printf("\n");
    return good;
}

static int run_all(void) {
    int failures = 0;
    for (const ptk_test_t *test = first_test; test; test = test->next) {
        failures += !run_in_child(test);
    }
    if (failures) {
        printf("%d failed\n", failures);
    }
    return failures ? EXIT_FAILED : EXIT_PASSED;
}

static int list_all(void) {
    for (const ptk_test_t *test = first_test; test; test = test->next) {
        printf("%s%s%s\n", test->name, test->flags ? " " : "", test->flags ? test->flags_text : "");
    }
    return EXIT_PASSED;
}

static int run_named(const char *name) {
    for (const ptk_test_t *test = first_test; test; test = test->next) {
        if (strcmp(test->name, name) == 0) {
            return run_here(test);
        }
    }
    fprintf(stderr, "there is no test named %s\n", name);
    return EXIT_FAILED;
}

int main(int count, char **arguments) {
    program = arguments[0];
    const char *jail = getenv("PTK_TEST_JAIL");
    if (jail && *jail) {
        ptk_test_enter_jail(jail);
    }
    if (count < 2) {
        return run_all();
    }
    return strcmp(arguments[1], "--list") == 0 ? list_all() : run_named(arguments[1]);
}
