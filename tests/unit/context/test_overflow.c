/* SPDX-License-Identifier: MIT */
/* Stack overflow: the report names the green thread, and the process ends as without the handler (P42, P43).
 */
#include "context/ptk_context.h"
#include "context/ptk_overflow.h"
#include "context/ptk_sanitizer.h"
#include "context/ptk_stack.h"
#include "ptk_test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT             16
#define LARGE_FRAME_BYTES (256 * 1024)

static ptk_stack_pool_t pool;
static ptk_context_t home;
static ptk_context_t contexts[COUNT];
static ptk_stack_label_t labels[COUNT];
static char names[COUNT][32];
static void (*victim_body)(void);
static char output[1024];

static void need_plain_memory(void) {
    if (ptk_sanitizer_watches_stacks()) {
        SKIP("an overflow is reported by the sanitizer or Valgrind");
    }
}

/* --- in the child ------------------------------------------------------------------------- */

__attribute__((noinline)) static unsigned dig(unsigned depth) {
    volatile char frame[256];
    frame[0] = (char) depth;
    unsigned below = depth == 0 ? 0 : dig(depth - 1);
    return below + (unsigned char) frame[0];
}

static void overflow(void) {
    volatile unsigned sum = dig(100 * 1000 * 1000);
    (void) sum;
}

static void write_to_nowhere(void) {
    volatile uintptr_t nowhere = 16;
    *(volatile char *) nowhere = 1;
}

/* Each context switches home once; when it is resumed, it runs the body. */
static void entry(void *argument) {
    ptk_context_t *self = argument;
    ptk_context_entered(self);
    ptk_context_switch(self, &home);
    victim_body();
    ptk_context_switch_end(self, &home);
}

static void run_victim(size_t victim) {
    int os_err = 0;
    ptk_stack_pool_init(&pool, false);
    ptk_overflow_thread_init();
    ptk_context_adopt(&home);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "worker %zu", i);
        labels[i] = (ptk_stack_label_t) {names[i], "spawner.c", 100 + (int) i};
        ptk_stack_slot_t *stack = ptk_stack_alloc(&pool, 0, &labels[i], &os_err);
        CHECK(stack != NULL);
        ptk_context_make(&contexts[i], stack->low, stack->high, entry, &contexts[i]);
        ptk_context_switch(&home, &contexts[i]);
    }
    ptk_context_switch(&home, &contexts[victim]);
}

static void child(void *argument) {
    run_victim(*(const size_t *) argument);
}

/* The one test process may have a handler of a sanitizer's or an emulator's: the child starts from the
   default. */
static int run_in_child(void (*setup)(void), void (*body)(void), size_t victim) {
    need_plain_memory();
    victim_body = body;
    signal(SIGSEGV, SIG_DFL);
    setup();
    return ptk_test_in_child(child, &victim, output, sizeof output);
}

static void no_setup(void) {
}

static void check_died_of(int status, int signal_number) {
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), signal_number);
}

static void check_report(size_t victim) {
    char expected[256];
    snprintf(
        expected, sizeof expected,
        "ptk: stack overflow in green thread \"worker %zu\" (stack of %zu bytes, spawned at spawner.c:%zu)\n",
        victim, ptk_stack_default_bytes(), 100 + victim);
    CHECK(strncmp(output, expected, strlen(expected)) == 0); /* an emulator adds a line of its own */
    CHECK(strstr(output + strlen(expected), "ptk:") == NULL);
}

static void check_no_report(void) {
    CHECK(strstr(output, "ptk:") == NULL);
}

/* --- tests --------------------------------------------------------------------------------------- */

TEST(p42_an_overflow_names_the_green_thread) { /* P42 */
    ptk_test_random_t random = {1};
    for (int i = 0; i < 4; i++) {
        size_t victim = (size_t) ptk_test_random_below(&random, COUNT);
        int status = run_in_child(no_setup, overflow, victim);
        check_report(victim);
        check_died_of(status, SIGSEGV);
    }
}

TEST(another_fault_is_not_an_overflow) {
    int status = run_in_child(no_setup, write_to_nowhere, 3);
    check_no_report();
    check_died_of(status, SIGSEGV);
}

static void earlier_with_info(int signal_number, siginfo_t *info, void *context) {
    bool good = signal_number == SIGSEGV && info->si_addr && context;
    _exit(good ? 71 : 72);
}

static void set_earlier_with_info(void) {
    struct sigaction action = {.sa_sigaction = earlier_with_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

static void earlier_plain(int signal_number) {
    _exit(signal_number == SIGSEGV ? 73 : 74);
}

static void set_earlier_plain(void) {
    struct sigaction action = {.sa_handler = earlier_plain};
    sigaction(SIGSEGV, &action, NULL);
}

static void check_left_with(int status, int code) {
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

TEST(an_earlier_handler_is_called_after_the_report) {
    int status = run_in_child(set_earlier_with_info, overflow, 5);
    check_report(5);
    check_left_with(status, 71);
    status = run_in_child(set_earlier_plain, overflow, 6);
    check_report(6);
    check_left_with(status, 73);
}

TEST(an_earlier_handler_gets_every_other_fault) {
    int status = run_in_child(set_earlier_with_info, write_to_nowhere, 0);
    check_no_report();
    check_left_with(status, 71);
    status = run_in_child(set_earlier_plain, write_to_nowhere, 0);
    check_no_report();
    check_left_with(status, 73);
}

static void set_ignored(void) {
    signal(SIGSEGV, SIG_IGN);
}

/* A fault cannot be ignored, not even with SIG_IGN as the disposition. */
TEST(an_overflow_ends_a_process_that_ignores_faults) {
    int status = run_in_child(set_ignored, overflow, 7);
    check_report(7);
    check_died_of(status, SIGSEGV);
}

static void send_it(void) {
    kill(getpid(), SIGSEGV);
}

TEST(a_sigsegv_from_kill_has_its_earlier_effect) {
    int status = run_in_child(no_setup, send_it, 0);
    check_no_report();
    check_died_of(status, SIGSEGV);
    status = run_in_child(set_ignored, send_it, 0);
    check_no_report();
    check_left_with(status, 0);
}

static void return_twice(int signal_number, siginfo_t *info, void *context) {
    static volatile sig_atomic_t times;
    (void) signal_number;
    (void) info;
    (void) context;
    if (++times == 3) {
        _exit(75);
    }
}

static void set_return_twice(void) {
    struct sigaction action = {.sa_sigaction = return_twice, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

TEST(a_fault_that_comes_again_is_reported_once) {
    int status = run_in_child(set_return_twice, overflow, 2);
    check_report(2);
    check_left_with(status, 75);
}

/* clang has no such attribute, and gcc takes a guard on aarch64 to be 64 KiB without a --param. */
#if defined(__clang__) || !defined(__x86_64__)
#define CLASH_PROTECTION
#define HAVE_CLASH_PROTECTION 0
#else
#define CLASH_PROTECTION      __attribute__((optimize("stack-clash-protection")))
#define HAVE_CLASH_PROTECTION 1
#endif

/* Touches only the low end of its frame, far below the guard, unless the compiler probes each page on the
   way. */
CLASH_PROTECTION __attribute__((noinline)) static void large_frame(void) {
    volatile char frame[LARGE_FRAME_BYTES];
    frame[0] = 1;
    __asm__ volatile("" : : "r"(frame) : "memory");
}

TEST(p43_a_large_frame_does_not_jump_the_guard) { /* P43 */
    if (!HAVE_CLASH_PROTECTION) {
        SKIP("this compiler cannot probe each page in one function alone");
    }
    int status = run_in_child(no_setup, large_frame, 9);
    check_report(9);
    check_died_of(status, SIGSEGV);
}

TEST(overflow_handling_of_a_thread_starts_and_ends_repeatedly) {
    for (int i = 0; i < 100; i++) {
        void *first = ptk_overflow_thread_init();
        void *second = ptk_overflow_thread_init(); /* the thread has its alternate stack already */
        ptk_overflow_thread_fini(second);
        ptk_overflow_thread_fini(first);
    }
}
