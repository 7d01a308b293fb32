/* SPDX-License-Identifier: MIT */
/*
 * ptk_foreign_forget() for a coroutine that the spawn hook had created: before the coroutine first ran, it
 * ended a green thread that was still in the run queue, and after its end it ended it once more, through a
 * slot that still led to the freed task.
 */
#include "conformance.h"

#ifdef PTK_TEST_HAVE_PCL

#define COROUTINES 8

/* Wraps the adapter for libpcl: slots that outlive the coroutines, which the adapter frees at their end. */
typedef struct outliving {
    void *coroutine;
    void *slot;
} outliving_t;

static outliving_t known[COROUTINES];
static size_t known_count;
static ptk_scheduler_hooks_t below;

static void *spawn_and_note(void *context, void (*fn)(void *arg), void *arg) {
    CHECK(known_count < COROUTINES);
    known[known_count] = (outliving_t) {.coroutine = below.spawn(context, fn, arg)};
    return known[known_count++].coroutine;
}

/* Returns the newest of that address: the address of a freed one may be used again. */
static void **find_slot(void *context, void *coroutine) {
    (void) context;
    size_t i = known_count;
    while (i > 0 && known[i - 1].coroutine != coroutine) {
        i--;
    }
    CHECK(i > 0);
    return &known[i - 1].slot;
}

static ptk_event_loop_platform_t *loop_with_outliving_slots(void) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    below = foreign_pcl.hooks();
    ptk_scheduler_hooks_t hooks = below;
    hooks.spawn = spawn_and_note;
    hooks.slot = find_slot;
    CHECK_OK(ptk_scheduler_set_hooks(loop, &hooks));
    return loop;
}

static ptk_err yield_once(void *arg) {
    (void) arg;
    test_yield();
    test_note('y');
    return PTK_OK;
}

#endif

TEST(forget_of_a_spawned_coroutine_before_its_first_run_is_busy) {
#ifdef PTK_TEST_HAVE_PCL
    ptk_event_loop_platform_t *loop = loop_with_outliving_slots();
    test_go(yield_once, NULL);
    CHECK_ERR(ptk_foreign_forget(known[0].coroutine), PTK_ERR_BUSY);
    CHECK_EQ(test_counters().green_threads, 1);
    test_run();
    test_go(yield_once, NULL);
    test_run();
    CHECK_STR(test_notes(), "yy");
    test_loop_end(loop);
#else
    SKIP("built without libpcl");
#endif
}

TEST(forget_of_a_spawned_coroutine_after_its_end_is_harmless) {
#ifdef PTK_TEST_HAVE_PCL
    ptk_event_loop_platform_t *loop = loop_with_outliving_slots();
    ptk_green_t *green = test_spawn(yield_once, NULL);
    test_run();
    CHECK_EQ(test_counters().green_threads, 0);
    CHECK_OK(ptk_foreign_forget(known[0].coroutine));
    CHECK_EQ(test_counters().green_threads, 0);
    CHECK_OK(ptk_green_join(green, NULL, 0));
    test_go(yield_once, NULL);
    test_go(yield_once, NULL);
    CHECK_EQ(test_counters().green_threads, 2);
    test_run();
    CHECK_STR(test_notes(), "yyy");
    test_loop_end(loop);
#else
    SKIP("built without libpcl");
#endif
}
