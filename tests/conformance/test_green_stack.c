/* SPDX-License-Identifier: MIT */
/* Stacks, and the floating-point control words that belong to a green thread. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define FOREIGN_REASON "stacks are the foreign library's"

/* Touches `bytes` of the calling stack, from the top down. */
static void use_stack(size_t bytes) {
    volatile char page[4096];
    page[0] = 1;
    page[sizeof page - 1] = 1;
    if (bytes > 2 * sizeof page) {
        use_stack(bytes - sizeof page);
    }
    page[1] = page[0];
}

static ptk_err use_much_stack(void *bytes) {
    use_stack(*(size_t *) bytes);
    test_yield();
    use_stack(*(size_t *) bytes);
    return PTK_OK;
}

static void check_stack_of(size_t bytes) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.stack_bytes = bytes;
    size_t used = bytes > 65536 ? bytes * 7 / 8 : 8192;
    ptk_green_t *green = ptk_green_spawn(NULL, &options, use_much_stack, &used);
    CHECK(green != NULL);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
}

TEST(stack_sizes_from_one_byte_to_eight_megabytes) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    static const size_t sizes[] = {1, 4096, 65536, 65537, 200000, 500000, 1 << 20, (1 << 20) + 1, 8 << 20};
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_stack_of(sizes[i]);
        check_stack_of(sizes[i]);
    }
    test_loop_end(loop);
}

TEST(stack_that_cannot_be_is_refused) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.stack_bytes = SIZE_MAX;
    CHECK(ptk_green_spawn(loop, &options, use_much_stack, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    options.stack_bytes = SIZE_MAX / 4;
    CHECK(ptk_green_spawn(loop, &options, use_much_stack, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

#define OWN_STACK_BYTES (256 * 1024)

static const char *place_on_stack;

static ptk_err note_place(void *arg) {
    (void) arg;
    volatile char here = 1;
    place_on_stack = (const char *) &here;
    use_stack(OWN_STACK_BYTES / 2);
    test_yield();
    return here == 1 ? PTK_OK : PTK_ERR_OS;
}

TEST(stack_of_the_callers_own) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    char *stack = malloc(OWN_STACK_BYTES);
    CHECK(stack != NULL);
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.stack = stack;
    options.stack_bytes = OWN_STACK_BYTES;
    for (int round = 0; round < 3; round++) {
        ptk_green_t *green = ptk_green_spawn(loop, &options, note_place, NULL);
        ptk_err result = PTK_ERR_OS;
        CHECK(green != NULL);
        test_run();
        CHECK_OK(ptk_green_join(green, &result, 0));
        CHECK_OK(result);
        CHECK(place_on_stack > stack && place_on_stack < stack + OWN_STACK_BYTES);
    }
    memset(stack, 0, OWN_STACK_BYTES);
    free(stack);
    test_loop_end(loop);
}

TEST(stack_of_the_callers_own_needs_a_size_and_an_address_that_fit) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    static char tiny[256];
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.stack = tiny;
    CHECK(ptk_green_spawn(loop, &options, note_place, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    options.stack_bytes = sizeof tiny;
    CHECK(ptk_green_spawn(loop, &options, note_place, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    test_loop_end(loop);
}

static ptk_err note_oddly_placed(void *arg) {
    (void) arg;
    long double wide = 1.5L; /* needs an aligned stack for its vector moves */
    char text[64];
    snprintf(text, sizeof text, "%Lf", wide);
    test_yield();
    CHECK_STR(text, "1.500000");
    return PTK_OK;
}

TEST(stack_of_the_callers_own_at_an_odd_address) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    char *memory = malloc(OWN_STACK_BYTES);
    CHECK(memory != NULL);
    for (size_t offset = 0; offset < 16; offset += 5) {
        ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
        options.stack = memory + offset;
        options.stack_bytes = OWN_STACK_BYTES - 2 * offset;
        ptk_green_t *green = ptk_green_spawn(loop, &options, note_oddly_placed, NULL);
        CHECK(green != NULL);
        test_run();
        CHECK_OK(ptk_green_join(green, NULL, 0));
    }
    free(memory);
    test_loop_end(loop);
}

/* --- rounding modes ------------------------------------------------------------------------------------- */

static const test_rounding_t rounding_modes[] = {TEST_ROUND_NEAREST, TEST_ROUND_UP, TEST_ROUND_DOWN};

/* Keeps the rounding mode that it sets first through yields, a sleep and a wait. */
static ptk_err keep_rounding(void *mode) {
    CHECK_EQ(test_rounding_get(), TEST_ROUND_NEAREST);
    test_rounding_set(*(const test_rounding_t *) mode);
    for (int i = 0; i < 5; i++) {
        test_yield();
        CHECK_EQ(test_rounding_get(), *(const test_rounding_t *) mode);
    }
    test_let_poll();
    CHECK_EQ(test_rounding_get(), *(const test_rounding_t *) mode);
    return PTK_OK;
}

static ptk_err keep_the_default_rounding(void *arg) {
    (void) arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(test_rounding_get(), TEST_ROUND_NEAREST);
        test_yield();
    }
    return PTK_OK;
}

TEST(p37_rounding_mode_per_fp_green_thread) {
    TEST_NEEDS_OWN_STACKS("what a switch keeps is the foreign library's affair");
    if (!test_rounding_is_known()) {
        SKIP("no way to set the rounding mode here");
    }
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.flags = PTK_GREEN_FP;
    test_go(keep_the_default_rounding, NULL);
    for (size_t i = 0; i < 6; i++) {
        ptk_green_t *green =
            ptk_green_spawn(loop, &options, keep_rounding, (void *) (uintptr_t) &rounding_modes[i % 3]);
        CHECK(green != NULL);
        CHECK_OK(ptk_green_detach(green));
        test_go(keep_the_default_rounding, NULL);
    }
    test_run();
    CHECK_EQ(test_rounding_get(), TEST_ROUND_NEAREST);
    test_loop_end(loop);
}

/* --- overflow ------------------------------------------------------------------------------------------- */

static volatile bool for_ever = true;

static size_t eat_stack(size_t depth) {
    volatile char page[2048];
    page[0] = (char) depth;
    return for_ever ? eat_stack(depth + 1) + (size_t) page[0] : depth;
}

static ptk_err overflow(void *victim) {
    test_yield();
    return *(bool *) victim && eat_stack(1) == 0 ? PTK_ERR_OS : PTK_OK;
}

#define CROWD 50

static void let_one_overflow(void *number) {
    static bool victims[CROWD];
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    victims[*(size_t *) number] = true;
    for (size_t i = 0; i < CROWD; i++) {
        char name[32];
        ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
        snprintf(name, sizeof name, "eater %zu", i);
        options.name = name;
        test_check_spawned(ptk_green_spawn(loop, &options, overflow, &victims[i]));
    }
    CHECK_OK(ptk_scheduler_run(loop)); /* the overflow ends the process first */
}

TEST(p42_overflow_names_the_green_thread_and_kills_the_process) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    for (size_t number = 3; number < CROWD; number += 20) {
        static char output[65536];
        char name[32];
        int status = ptk_test_in_child(let_one_overflow, &number, output, sizeof output);
        snprintf(name, sizeof name, "\"eater %zu\"", number);
        CHECK(strstr(output, "stack overflow") != NULL);
        CHECK(strstr(output, name) != NULL);
        CHECK(strstr(output, "test_green_stack.c:") != NULL);
        CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 0); /* a sanitizer's handler exits with a code */
    }
}
