/* SPDX-License-Identifier: MIT */
/*
 * A small test framework. `TEST(name) { ... }` at the start of a line defines a test and registers it.
 * `TEST(name, REAL_THREADS | COUNTS_CALLS) { ... }` also states facts about the test; tests/runs.txt has the
 * table of the run configurations, each with the flags that it excludes.
 *
 * The executable runs the test that argv[1] names and leaves with 0 (passed), 77 (skipped) or 1 (failed);
 * `--list` prints the names and flags; without an argument every test runs in a child process of its own. A
 * check that fails prints where and what, and ends the process on the spot: it works on any stack and on any
 * thread.
 *
 * After each test the runner checks that no descriptor and no ptk allocation is left, and calls what was
 * registered with ptk_test_at_end().
 */
#pragma once

#include <ptk_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether this build has a sanitizer, 1 or 0: some tests are too slow with one, or impossible. */
#if defined(__has_feature)
#define PTK_TEST_HAS(feature) __has_feature(feature)
#else
#define PTK_TEST_HAS(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || PTK_TEST_HAS(thread_sanitizer)
#define PTK_TEST_TSAN 1
#else
#define PTK_TEST_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || PTK_TEST_HAS(address_sanitizer)
#define PTK_TEST_ASAN 1
#else
#define PTK_TEST_ASAN 0
#endif

/* The exit codes of a test. */
#define PTK_TEST_PASSED  0
#define PTK_TEST_FAILED  1
#define PTK_TEST_SKIPPED 77

/* What a run configuration must have for the test to pass in it, or what the test costs. */
typedef enum ptk_test_flag {
    REAL_THREADS =
        1 << 0, /* starts other OS threads, which signal, run loops, or call objects of another thread */
    REAL_SIGNALS = 1 << 1,    /* uses handlers, masks and dispositions of the process */
    REAL_PROCESS = 1 << 2,    /* uses children, environment, standard input or files of the process */
    REAL_LOOPBACK = 1 << 3,   /* exhausts or measures the machine's loopback: no other test runs beside it */
    FOREIGN_ONLY = 1 << 4,    /* runs coroutines of another library */
    HOOKS_POLLER = 1 << 5,    /* replaces, counts or fails the poller's system calls */
    COUNTS_CALLS = 1 << 6,    /* expects an exact number of system calls or ticks */
    WHOLE_TRANSFERS = 1 << 7, /* expects one recv or send to transfer all that it can */
    ENUMERATES = 1 << 8,      /* walks a tree of decisions: equal decisions must lead to equal runs */
    SWEEPS = 1 << 9,          /* repeats a workload for each system call that can fail: takes long */
    MANY_DESCRIPTORS = 1 << 10, /* opens more than 50 descriptors at once */
    EVERY_PLATFORM = 1 << 11,   /* creates loops of every platform */
    NEEDS_ORDER =
        1 << 12, /* expects green threads to run, and events to come, in the order of their causes */
    NEEDS_TICKS = 1 << 13,      /* expects ticks only where they are due, and polls that last as requested */
    TRUSTS_READINESS = 1 << 14, /* expects that a descriptor that is reported as ready is ready */
    MUCH_MEMORY = 1 << 15,      /* maps more than half a GiB */
    RUNS_LOOP = 1 << 16,        /* is about ptk_scheduler_run itself, or about what runs between its ticks */
} ptk_test_flag_t;

typedef struct ptk_test {
    const char *name;
    const char *flags_text;
    unsigned flags;
    void (*run)(void);
    struct ptk_test *next;
} ptk_test_t;

void ptk_test_register(ptk_test_t *test);

/* Registers a function to be called when the test has returned, before descriptors and allocations are
   counted. Functions are called in the order of registration. */
void ptk_test_at_end(void (*check)(void));

/* Registers a function that is called in the place of each test's body. It must call that body; it may do so
   in another environment, such as a simulated host. */
void ptk_test_run_by(void (*around)(void (*body)(void)));

/* Returns the program, as argv[0] names it. */
const char *ptk_test_program(void);

/* Return the name and the flags of the test that runs. */
const char *ptk_test_name(void);
unsigned ptk_test_flags(void);

/* Returns whether PTK_TEST_LONG is set to anything but 0. */
bool ptk_test_is_long(void);

/*
 * Returns whether round `round`, from 0, of a race between threads is to be run: up to `most` rounds, and
 * where the machine is so busy that they would take long, fewer, but at least `least`. Each round needs the
 * other thread to run, so that its duration is the machine's matter and no measure of the code. With
 * PTK_TEST_LONG, `most`.
 */
typedef struct ptk_test_rounds {
    unsigned least;
    unsigned most;
    uint64_t end_ns; /* set by round 0 */
} ptk_test_rounds_t;

bool ptk_test_round(ptk_test_rounds_t *rounds, unsigned round);

/* A source of pseudo-random numbers, the same in every run. Every seed will do, 0 included. */
typedef struct ptk_test_random {
    uint64_t state;
} ptk_test_random_t;

uint64_t ptk_test_random(ptk_test_random_t *random);
uint64_t ptk_test_random_below(ptk_test_random_t *random, uint64_t limit);

/* Runs `body` in a child process that writes no core file. Returns its wait status (see waitpid). `output`
   receives the child's standard error as a string, cut to fit. */
int ptk_test_in_child(void (*body)(void *), void *argument, char *output, size_t output_bytes);

/* A value of any integer or pointer type, to be compared and printed. */
typedef struct ptk_test_value {
    enum { PTK_TEST_SIGNED, PTK_TEST_UNSIGNED, PTK_TEST_POINTER } kind;
    intmax_t negative; /* kind SIGNED and below zero: the value; else 0 */
    uintmax_t positive;
} ptk_test_value_t;

ptk_test_value_t ptk_test_signed(intmax_t value);
ptk_test_value_t ptk_test_unsigned(uintmax_t value);
ptk_test_value_t ptk_test_pointer(const volatile void *value);

/* clang-format off */
#define PTK_TEST_VALUE(x)                                                                                    \
    _Generic((x),                                                                                            \
        _Bool: ptk_test_unsigned, char: ptk_test_signed, signed char: ptk_test_signed,                       \
        short: ptk_test_signed, int: ptk_test_signed, long: ptk_test_signed, long long: ptk_test_signed,     \
        unsigned char: ptk_test_unsigned, unsigned short: ptk_test_unsigned, unsigned: ptk_test_unsigned,    \
        unsigned long: ptk_test_unsigned, unsigned long long: ptk_test_unsigned,                             \
        default: ptk_test_pointer)(x)
/* clang-format on */

_Noreturn void ptk_test_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void ptk_test_skipped(const char *reason);
void ptk_test_check_equal(const char *file, int line, const char *text, ptk_test_value_t got,
                          ptk_test_value_t expected);
void ptk_test_check_string(const char *file, int line, const char *text, const char *got,
                           const char *expected);
void ptk_test_check_err(const char *file, int line, const char *text, ptk_err got, ptk_err expected);

#define TEST(...) PTK_TEST_DEFINE(__VA_ARGS__, 0, 0)
#define PTK_TEST_DEFINE(test_name, test_flags, ...)                                                          \
    static void test_##test_name(void);                                                                      \
    __attribute__((constructor)) static void register_##test_name(void) {                                    \
        static ptk_test_t test = {#test_name, #test_flags, (test_flags), test_##test_name, NULL};            \
        ptk_test_register(&test);                                                                            \
    }                                                                                                        \
    static void test_##test_name(void)

/* Fails the test unless the condition holds. */
#define CHECK(condition)                                                                                     \
    ((condition) ? (void) 0 : ptk_test_failed(__FILE__, __LINE__, "CHECK(%s)", #condition))

/* Fails the test unless two integers, or two pointers, are equal as numbers. */
#define CHECK_EQ(got, expected)                                                                              \
    ptk_test_check_equal(__FILE__, __LINE__, "CHECK_EQ(" #got ", " #expected ")", PTK_TEST_VALUE(got),       \
                         PTK_TEST_VALUE(expected))

/* Fails the test unless two strings are equal; NULL equals only NULL. */
#define CHECK_STR(got, expected)                                                                             \
    ptk_test_check_string(__FILE__, __LINE__, "CHECK_STR(" #got ", " #expected ")", got, expected)

/* Fail the test unless the call returned PTK_OK, or the expected error. */
#define CHECK_OK(call) ptk_test_check_err(__FILE__, __LINE__, "CHECK_OK(" #call ")", call, PTK_OK)
#define CHECK_ERR(call, expected)                                                                            \
    ptk_test_check_err(__FILE__, __LINE__, "CHECK_ERR(" #call ", " #expected ")", call, expected)

/* Ends the test as skipped: it cannot run here. */
#define SKIP(reason) ptk_test_skipped(reason)
