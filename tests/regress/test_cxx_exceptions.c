/* SPDX-License-Identifier: MIT */
/*
 * The C++ library keeps the exceptions in progress per OS thread, so a green thread that parked in a catch
 * block rethrew another one's afterwards. This program has no C++ library: it gives the scheduler two words
 * of its own. tests/headers/exceptions.cc does the same with exceptions.
 */
#include "conformance.h"

#include "sched/ptk_sched.h"

static ptk_cxx_words_t words;

static int ended;

static bool are(const void *caught, unsigned uncaught) {
    return words.caught == caught && words.uncaught == uncaught;
}

static ptk_err keep_own(void *arg) {
    CHECK(are(NULL, 0));
    for (unsigned i = 0; i < 20; i++) {
        words = (ptk_cxx_words_t) {arg, i};
        if (i % 3 == 0) {
            CHECK_OK(ptk_sleep_ms(1));
        } else {
            CHECK_OK(ptk_yield());
        }
        CHECK(are(arg, i));
    }
    ended++;
    return PTK_OK; /* what is left behind does not reach another context */
}

/* Those without the flag have the OS thread's words. */
static ptk_err share(void *arg) {
    (void) arg;
    for (unsigned i = 0; i < 20; i++) {
        CHECK(are(&words, 7));
        CHECK_OK(ptk_yield());
    }
    ended++;
    return PTK_OK;
}

static void spawn(ptk_green_fn fn, void *arg, uint32_t flags) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS(.flags = flags);
    CHECK_OK(ptk_green_detach(ptk_green_spawn(NULL, &options, fn, arg)));
}

TEST(p70_each_green_thread_keeps_its_own_exceptions) {
    static char objects[10];
    words = (ptk_cxx_words_t) {&words, 7};
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t life = 0; life < 2; life++) { /* the second time on used stacks */
        ended = 0;
        for (size_t i = 0; i < 10; i++) {
            spawn(share, NULL, i % 2 ? 0 : PTK_GREEN_FP);
            ptk_scheduler_here()->cxx_place = &words;
            spawn(keep_own, &objects[i], i % 2 ? PTK_GREEN_CXX : PTK_GREEN_CXX | PTK_GREEN_FP);
        }
        test_run();
        CHECK_EQ(ended, 20);
        CHECK(are(&words, 7));
    }
    test_loop_end(loop);
}
