/* SPDX-License-Identifier: MIT */
/* Stacks: classes, guards, reuse, colours, their cost, and the behaviour when memory or mappings are used up.
 */
#include "base/ptk_thread.h"
#include "context/ptk_sanitizer.h"
#include "context/ptk_stack_guard.h"
#include "context/ptk_stack_registry.h"
#include "ptk_test.h"
#include "ptk_test_intercept.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#define PAGE (ptk_sys_real.page_bytes())

static const ptk_stack_label_t label = {"test", "file.c", 42};
static ptk_stack_pool_t pool;

static ptk_stack_slot_t *take(size_t bytes) {
    int os_err = 0;
    ptk_stack_slot_t *slot = ptk_stack_alloc(&pool, bytes, &label, &os_err);
    CHECK_EQ(os_err, 0);
    CHECK(slot != NULL);
    return slot;
}

static size_t usable(const ptk_stack_slot_t *slot) {
    return (size_t) (slot->high - slot->low);
}

static void need_plain_memory(void) {
    if (ptk_sanitizer_watches_stacks()) {
        SKIP("a fault is reported by the sanitizer or Valgrind");
    }
}

/* --- sizes --------------------------------------------------------------------------------------- */

TEST(the_record_of_a_stack_has_at_most_four_words) {
    CHECK(sizeof(ptk_stack_slot_t) <= 4 * sizeof(void *));
}

TEST(sizes_are_rounded_up_to_classes) {
    ptk_stack_pool_init(&pool, false);
    size_t smallest = ptk_stack_default_bytes();
    for (size_t bytes = smallest; bytes <= (size_t) 1024 * 1024; bytes *= 2) {
        ptk_stack_slot_t *exact = take(bytes);
        ptk_stack_slot_t *less = take(bytes / 2 + 1);
        CHECK(usable(exact) <= bytes - PAGE);
        CHECK(usable(exact) > bytes - PAGE - 1024);
        CHECK(usable(less) > bytes - PAGE - 1024);
        memset(exact->low, 1, usable(exact));
        memset(less->low, 2, usable(less));
        CHECK_EQ(exact->low[0], 1);
        ptk_stack_free(&pool, exact);
        ptk_stack_free(&pool, less);
    }
    ptk_stack_slot_t *tiny = take(1);
    CHECK(usable(tiny) < smallest);
    ptk_stack_free(&pool, tiny);
    CHECK_EQ(pool.in_use, 0);
    ptk_stack_pool_fini(&pool);
}

TEST(a_large_stack_has_a_mapping_of_its_own) {
    const size_t bytes = (size_t) 3 * 1024 * 1024 + 1;
    ptk_stack_label_t found;
    size_t found_bytes;
    ptk_stack_pool_init(&pool, false);
    ptk_stack_slot_t *first = take(bytes);
    ptk_stack_slot_t *second = take(bytes);
    CHECK(usable(first) >= bytes - PAGE);
    first->low[0] = 1;
    first->high[-1] = 1;
    const char *guard = first->low - 1;
    CHECK(ptk_stack_find_guard(guard, &found, &found_bytes));
    CHECK(found_bytes >= bytes);
    ptk_stack_free(&pool, first);
    CHECK(!ptk_stack_find_guard(guard, &found, &found_bytes));
    ptk_stack_free(&pool, second);
    ptk_stack_pool_fini(&pool);
}

TEST(an_absurd_size_is_refused) {
    int os_err = 0;
    ptk_stack_pool_init(&pool, false);
    CHECK(ptk_stack_alloc(&pool, SIZE_MAX, &label, &os_err) == NULL);
    CHECK_EQ(os_err, ENOMEM);
    os_err = 0;
    CHECK(ptk_stack_alloc(&pool, SIZE_MAX / 4, &label, &os_err) == NULL);
    CHECK(os_err > 0);
    CHECK_EQ(pool.in_use, 0);
    ptk_stack_pool_fini(&pool);
}

/* --- reuse --------------------------------------------------------------------------------------- */

TEST(a_freed_stack_is_reused_first) {
    ptk_stack_slot_t *slots[3];
    char *lows[3];
    ptk_stack_pool_init(&pool, false);
    for (size_t i = 0; i < 3; i++) {
        slots[i] = take(0);
        lows[i] = slots[i]->low;
    }
    for (size_t i = 0; i < 3; i++) {
        ptk_stack_free(&pool, slots[i]);
    }
    for (size_t i = 3; i-- > 0;) {
        CHECK_EQ(take(0), slots[i]);
        CHECK_EQ(slots[i]->low, lows[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        ptk_stack_free(&pool, slots[i]);
    }
    ptk_stack_pool_fini(&pool);
}

TEST(tops_are_coloured) {
    ptk_stack_slot_t *slots[32];
    unsigned seen = 0;
    ptk_stack_pool_init(&pool, false);
    for (size_t i = 0; i < 32; i++) {
        slots[i] = take(0);
        size_t colour = (PAGE - (uintptr_t) slots[i]->high % PAGE) % PAGE;
        CHECK_EQ(colour % 64, 0);
        CHECK(colour / 64 < 16);
        seen |= 1u << colour / 64;
        CHECK_EQ(colour / 64, i % 16);
    }
    CHECK_EQ(seen, 0xffff);
    for (size_t i = 0; i < 32; i++) {
        ptk_stack_free(&pool, slots[i]);
    }
    ptk_stack_pool_fini(&pool);
}

TEST(stacks_of_many_arenas_do_not_overlap) {
    enum { COUNT = 2500 };
    static ptk_stack_slot_t *slots[COUNT];
    ptk_stack_pool_init(&pool, false);
    for (size_t i = 0; i < COUNT; i++) {
        slots[i] = take(0);
        *(size_t *) (void *) slots[i]->low = i;
        *(size_t *) (void *) (slots[i]->high - sizeof(size_t)) = i;
    }
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(*(size_t *) (void *) slots[i]->low, i);
        CHECK_EQ(*(size_t *) (void *) (slots[i]->high - sizeof(size_t)), i);
        ptk_stack_free(&pool, slots[i]);
    }
    ptk_stack_pool_fini(&pool);
}

TEST(high_water_is_the_lowest_page_ever_touched) {
    ptk_stack_pool_init(&pool, false);
    ptk_stack_slot_t *slot = take(0);
    size_t colour = (PAGE - (uintptr_t) slot->high % PAGE) % PAGE;
    slot->high[-1] = 1;
    size_t shallow = ptk_stack_high_water(slot->low, slot->high);
    if (shallow == 0) {
        SKIP("this system does not report resident pages");
    }
    CHECK_EQ(shallow, PAGE - colour);
    slot->high[-1 - (ptrdiff_t) (3 * PAGE)] = 1;
    CHECK_EQ(ptk_stack_high_water(slot->low, slot->high), 4 * PAGE - colour);
    ptk_stack_free(&pool, slot);
    CHECK_EQ(take(0), slot);
    CHECK_EQ(ptk_stack_high_water(slot->low, slot->high), 4 * PAGE - colour);
    ptk_stack_free(&pool, slot);
    slot = take((size_t) 2 * 1024 * 1024);
    CHECK_EQ(ptk_stack_high_water(slot->low, slot->high), 0);
    *slot->low = 1;
    CHECK_EQ(ptk_stack_high_water(slot->low, slot->high), usable(slot));
    ptk_stack_free(&pool, slot);
    ptk_stack_pool_fini(&pool);
}

/* --- guards -------------------------------------------------------------------------------------- */

TEST(a_guard_names_its_owner) {
    ptk_stack_label_t found;
    size_t bytes = 0;
    ptk_stack_pool_init(&pool, false);
    take(0);
    ptk_stack_slot_t *slot = take(0);
    CHECK(ptk_stack_find_guard(slot->low - 1, &found, &bytes));
    CHECK_STR(found.name, "test");
    CHECK_STR(found.file, "file.c");
    CHECK_EQ(found.line, 42);
    CHECK_EQ(bytes, ptk_stack_default_bytes());
    CHECK(ptk_stack_find_guard(slot->low - PAGE, &found, &bytes));
    CHECK(!ptk_stack_find_guard(slot->low - PAGE - 1, &found, &bytes));
    CHECK(!ptk_stack_find_guard(slot->low, &found, &bytes));
    CHECK(!ptk_stack_find_guard(slot->low - PAGE + bytes, &found,
                                &bytes)); /* of a slot that was never allocated */
    CHECK(!ptk_stack_find_guard(NULL, &found, &bytes));
    CHECK(!ptk_stack_find_guard(&found, &found, &bytes));
    const char *guard = slot->low - 1;
    ptk_stack_free(&pool, slot);
    CHECK(ptk_stack_find_guard(guard, &found, &bytes));
    CHECK_STR(found.name, "(free stack)");
    pool.in_use--; /* the first is never freed */
    ptk_stack_pool_fini(&pool);
    CHECK(!ptk_stack_find_guard(guard, &found, &bytes));
}

static void write_below(void *argument) {
    ptk_stack_slot_t *slot = argument;
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *) (slot->low - 1) = 1;
}

static void check_that_it_faults(ptk_stack_guard_t guard) {
    char output[64];
    ptk_stack_pool_init(&pool, false);
    if (pool.guard != guard) {
        pool.guard = guard;
    }
    ptk_stack_slot_t *slot = take(0);
    int status = ptk_test_in_child(write_below, slot, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    ptk_stack_free(&pool, slot);
    ptk_stack_pool_fini(&pool);
}

TEST(a_write_into_the_guard_faults) {
    need_plain_memory();
    check_that_it_faults(ptk_stack_probe_guard(&ptk_sys_real));
}

TEST(a_write_into_a_protected_guard_faults) {
    need_plain_memory();
    check_that_it_faults(PTK_STACK_GUARD_PROTECT);
}

static int64_t pretend(ptk_sys_call_t *call) {
    (void) call;
    return 0;
}

static int64_t refuse(ptk_sys_call_t *call) {
    (void) call;
    return -EINVAL;
}

/* Probes for guards on a kernel whose guard_install is `hook`, and on one whose protect_none is, too. */
static void check_guards(ptk_sys_hook_t hook) {
    ptk_interceptor_t fake = {.hooks = {[PTK_SYS_guard_install] = hook}};
    ptk_intercept(&fake);
    CHECK_EQ((int) ptk_stack_probe_guard(ptk_sys()), (int) PTK_STACK_GUARD_PROTECT);
    fake.hooks[PTK_SYS_protect_none] = hook;
    CHECK_EQ((int) ptk_stack_probe_guard(ptk_sys()), (int) PTK_STACK_GUARD_NONE);
    ptk_intercept_end();
}

TEST(a_guard_without_effect_is_not_used) { /* P64 */
    check_guards(pretend);
}

TEST(pages_are_protected_where_guard_advice_is_refused) {
    check_guards(refuse); /* an older kernel, or locked memory */
}

TEST(unguarded_stacks_are_refused_unless_allowed) {
    int os_err = 0;
    ptk_stack_pool_init(&pool, false);
    pool.guard = PTK_STACK_GUARD_NONE;
    CHECK(ptk_stack_alloc(&pool, 0, &label, &os_err) == NULL);
    CHECK_EQ(os_err, ENOMEM);
    CHECK(ptk_stack_alloc(&pool, (size_t) 2 * 1024 * 1024, &label, &os_err) == NULL);
    CHECK_EQ(pool.in_use, 0);
    pool.allow_unguarded = true;
    ptk_stack_slot_t *slot = take(0);
    slot->low[0] = 1;
    ptk_stack_free(&pool, slot);
    ptk_stack_pool_fini(&pool);
}

/* Protected guards split the mapping, and the number of mappings of a process is limited. */
static void exhaust_mappings(void *argument) {
    size_t count = 0;
    int os_err = 0;
    ptk_stack_slot_t *last = NULL;
    (void) argument;
    ptk_stack_pool_init(&pool, false);
    pool.guard = PTK_STACK_GUARD_PROTECT;
    for (ptk_stack_slot_t *slot = take(0); slot; slot = ptk_stack_alloc(&pool, 0, &label, &os_err)) {
        slot->high[-1] = 1;
        last = slot;
        count++;
        CHECK(count < 10000000);
    }
    CHECK_EQ(os_err, ENOMEM);
    CHECK_EQ(pool.in_use, count);
    CHECK(count > 1000);
    ptk_stack_free(&pool, last);
    CHECK_EQ(take(0), last);
    pool.in_use = 0;
    ptk_stack_pool_fini(&pool);
}

TEST(no_more_mappings_is_an_error_and_no_crash) {
    char output[512];
    need_plain_memory();
    int status = ptk_test_in_child(exhaust_mappings, NULL, output, sizeof output);
    CHECK_STR(output, "");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* --- the registry -------------------------------------------------------------------------------- */

static atomic_bool done;

static void *make_and_unmake(void *argument) {
    (void) argument;
    for (int i = 0; i < 200; i++) {
        ptk_stack_pool_t own;
        int os_err = 0;
        ptk_stack_pool_init(&own, false);
        ptk_stack_slot_t *slot = ptk_stack_alloc(&own, 0, &label, &os_err);
        ptk_stack_slot_t *large = ptk_stack_alloc(&own, (size_t) 2 * 1024 * 1024, &label, &os_err);
        CHECK(slot && large);
        ptk_stack_free(&own, large);
        ptk_stack_free(&own, slot);
        ptk_stack_pool_fini(&own);
    }
    atomic_store(&done, true);
    return NULL;
}

TEST(the_registry_is_read_while_others_write) {
    pthread_t threads[2];
    ptk_stack_label_t found;
    size_t bytes;
    ptk_stack_pool_init(&pool, false);
    ptk_stack_slot_t *slot = take(0);
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, make_and_unmake, NULL), 0);
    }
    while (!atomic_load(&done)) {
        CHECK(ptk_stack_find_guard(slot->low - 1, &found, &bytes));
        CHECK_STR(found.name, "test");
    }
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    ptk_stack_free(&pool, slot);
    ptk_stack_pool_fini(&pool);
}

static void make_in_child(void *argument) {
    ptk_stack_label_t found;
    size_t bytes;
    (void) argument;
    make_and_unmake(NULL);
    ptk_stack_pool_t own;
    int os_err = 0;
    ptk_stack_pool_init(&own, false);
    ptk_stack_slot_t *slot = ptk_stack_alloc(&own, 0, &label, &os_err);
    CHECK(slot && ptk_stack_find_guard(slot->low - 1, &found, &bytes));
}

TEST(a_child_of_fork_makes_stacks_of_its_own) {
    pthread_t thread;
    char output[512];
#if defined(PTK_SANITIZER_THREAD)
    SKIP("the sanitizer forks no process with several threads");
#endif
    CHECK_EQ(pthread_create(&thread, NULL, make_and_unmake, NULL), 0);
    for (int i = 0; i < 20; i++) {
        int status = ptk_test_in_child(make_in_child, NULL, output, sizeof output);
        CHECK_STR(output, "");
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
