/* SPDX-License-Identifier: MIT */
/* ptk_foreign_forget() dropped the local values of a coroutine: their destructors did not run, and the
   memory that held them was not freed. */
#include "conformance.h"

#ifdef PTK_TEST_HAVE_PCL

static void note_value(void *value) {
    test_note(*(const char *) value);
}

static const ptk_green_key_t keys[2] = {{.destructor = note_value}, {.destructor = note_value}};
static const ptk_green_key_t without_destructor = {.destructor = NULL};

static void set_locals(void *letters) {
    CHECK_OK(ptk_green_set_local(&keys[0], letters));
    CHECK_OK(ptk_green_set_local(&keys[1], (char *) letters + 1));
    CHECK_OK(ptk_green_set_local(&without_destructor, letters));
}

#endif

TEST(forget_destroys_green_local_values) {
#ifdef PTK_TEST_HAVE_PCL
    static char letters[] = "ab";
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_scheduler_hooks_t hooks = foreign_pcl.hooks();
    CHECK_OK(ptk_scheduler_set_hooks(loop, &hooks));
    void *coroutine = foreign_pcl.start(set_locals, letters);
    CHECK(foreign_pcl.has_ended(coroutine));
    CHECK_STR(test_notes(), "");
    CHECK_OK(ptk_foreign_forget(coroutine));
    CHECK_STR(test_notes(), "ba"); /* newest first */
    CHECK_OK(ptk_foreign_forget(coroutine));
    CHECK_STR(test_notes(), "ba");
    foreign_pcl.free(coroutine);
    test_loop_end(loop);
#else
    SKIP("built without libpcl");
#endif
}
