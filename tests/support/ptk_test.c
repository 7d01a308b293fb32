/* SPDX-License-Identifier: MIT */
/* Checks, pseudo-random numbers and child processes. */
#include "ptk_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool ptk_test_is_long(void) {
    const char *value = getenv("PTK_TEST_LONG");
    return value && *value && strcmp(value, "0") != 0;
}

#define ROUNDS_NS UINT64_C(3000000000) /* after this time the least number of rounds is enough */

static uint64_t real_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

bool ptk_test_round(ptk_test_rounds_t *rounds, unsigned round) {
    uint64_t now_ns = real_now_ns();
    if (round == 0) {
        rounds->end_ns = now_ns + ROUNDS_NS;
    }
    bool goes_on = round < rounds->least || now_ns < rounds->end_ns || ptk_test_is_long();
    return round < rounds->most && goes_on;
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
    _exit(PTK_TEST_FAILED);
}

_Noreturn void ptk_test_skipped(const char *reason) {
    char text[512];
    int length = snprintf(text, sizeof text, "skipped: %.480s\n", reason);
    write_line(text, (size_t) length);
    _exit(PTK_TEST_SKIPPED);
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
    _exit(PTK_TEST_PASSED);
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
