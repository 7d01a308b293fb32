/* SPDX-License-Identifier: MIT */
/* Stacks: classes, guards, reuse, colours, their cost, and the behaviour when memory or mappings are used up.
 */
#include "base/ptk_thread.h"
#include "context/ptk_sanitizer.h"
#include "context/ptk_stack_arena.h"
#include "context/ptk_stack_guard.h"
#include "context/ptk_stack_registry.h"
#include "ptk_test.h"
#include "ptk_test_intercept.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
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

enum { OWN_MAPPINGS = 2000 };

/* Makes green threads' stacks until one is refused, and then mappings as the program may need them. */
static void map_after_the_last_stack(void *argument) {
    int os_err = 0;
    (void) argument;
    ptk_stack_pool_init(&pool, false);
    pool.guard = PTK_STACK_GUARD_PROTECT;
    for (ptk_stack_slot_t *slot = take(0); slot;) {
        slot = ptk_stack_alloc(&pool, 0, &label, &os_err);
    }
    CHECK_EQ(os_err, ENOMEM);
    CHECK(pool.in_use > OWN_MAPPINGS);
    for (int i = 0; i < OWN_MAPPINGS; i++) { /* neighbours with equal protection would be one mapping */
        CHECK(mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
              MAP_FAILED);
    }
}

TEST(p80_guards_leave_mappings_to_the_program) {
    char output[512];
    size_t limit;
    need_plain_memory();
    if (ptk_sys_real.mapping_room(&limit) == SIZE_MAX) {
        SKIP("the system does not state how many mappings a process may have");
    }
    if (limit < 8 * OWN_MAPPINGS || limit > 300000) {
        SKIP("this system's limit of mappings is far from the usual one");
    }
    int status = ptk_test_in_child(map_after_the_last_stack, NULL, output, sizeof output);
    CHECK_STR(output, "");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* --- the size of arenas -------------------------------------------------------------------------- */

TEST(p80_first_stack_of_a_class_maps_little) {
    ptk_stack_pool_init(&pool, false);
    for (size_t bytes = ptk_stack_default_bytes(); bytes <= (size_t) 1024 * 1024; bytes *= 2) {
        ptk_stack_slot_t *slot = take(bytes);
        size_t class_index = (size_t) __builtin_ctzll(bytes / ptk_stack_default_bytes());
        CHECK(pool.mapped[class_index] * bytes <= (size_t) 1024 * 1024);
        ptk_stack_free(&pool, slot);
    }
    ptk_stack_pool_fini(&pool);
}

TEST(p80_mapped_stacks_are_at_most_twice_those_in_use) {
    enum { COUNT = 3000 };
    static ptk_stack_slot_t *slots[COUNT];
    ptk_stack_pool_init(&pool, false);
    size_t first = (size_t) 1024 * 1024 / ptk_stack_default_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        slots[i] = take(0);
        CHECK(pool.mapped[0] <= 2 * (i + 1) + first);
    }
    for (size_t i = 0; i < COUNT; i++) {
        ptk_stack_free(&pool, slots[i]);
    }
    ptk_stack_pool_fini(&pool);
}

/* --- trimming ------------------------------------------------------------------------------------ */

static bool is_resident(const char *address) {
    unsigned char resident = 0;
    void *page = (void *) ((uintptr_t) address & ~(uintptr_t) (PAGE - 1));
    return ptk_sys_real.resident(page, PAGE, &resident) == 0 && (resident & 1);
}

/* Takes `count` stacks, touches each, and frees all but those from `kept` on. */
static void make_free_stacks(ptk_stack_slot_t **slots, size_t count, size_t kept, size_t bytes) {
    for (size_t i = 0; i < count; i++) {
        slots[i] = take(bytes);
        slots[i]->high[-1] = 1;
    }
    for (size_t i = 0; i < kept; i++) {
        ptk_stack_free(&pool, slots[i]);
    }
}

TEST(p79_trim_returns_what_was_free_for_a_whole_period) {
    enum { COUNT = 40 };
    ptk_stack_slot_t *slots[COUNT];
    const char *tops[COUNT];
    need_plain_memory();
    ptk_stack_pool_init(&pool, false);
    make_free_stacks(slots, COUNT, COUNT - 1, 0);
    for (size_t i = 0; i < COUNT; i++) {
        tops[i] = slots[i]->high - 1; /* a slot's record ends with its arena */
    }
    CHECK(!ptk_stack_pool_plan_trim(&pool, 4)); /* the period began with none */
    CHECK_EQ(ptk_stack_pool_trim(&pool, COUNT), 0);
    for (size_t i = 0; i < 10; i++) {
        (void) take(0);
    }
    for (size_t i = 10; i-- > 0;) {
        ptk_stack_free(&pool, slots[COUNT - 2 - i]);
    }
    CHECK(ptk_stack_pool_plan_trim(&pool, 4)); /* 29 were free all the time */
    CHECK_EQ(ptk_stack_pool_trim(&pool, 10), 10);
    CHECK_EQ(ptk_stack_pool_trim(&pool, COUNT), 15);
    CHECK_EQ(ptk_stack_pool_trim(&pool, COUNT), 0);
    size_t resident = 0;
    for (size_t i = 0; i < COUNT; i++) {
        resident += is_resident(tops[i]);
    }
    CHECK_EQ(resident, COUNT - 25);
    CHECK(is_resident(tops[COUNT - 1])); /* in use */
    ptk_stack_free(&pool, slots[COUNT - 1]);
    ptk_stack_pool_fini(&pool);
}

TEST(p79_trimmed_stack_is_guarded_when_it_is_used_again) {
    ptk_stack_label_t found;
    size_t bytes;
    ptk_stack_slot_t *slots[2];
    ptk_stack_pool_init(&pool, false);
    make_free_stacks(slots, 2, 1, 0);
    (void) ptk_stack_pool_plan_trim(&pool, 0);
    CHECK(ptk_stack_pool_plan_trim(&pool, 0));
    CHECK_EQ(ptk_stack_pool_trim(&pool, 9), 1);
    CHECK(ptk_stack_find_guard((char *) slots[1]->low - slots[1]->arena->slot_bytes - 1, &found, &bytes));
    CHECK_STR(found.name, "(free stack)");
    CHECK_EQ(take(0), slots[0]);
    if (!ptk_sanitizer_watches_stacks()) { /* to Valgrind a new stack has no values */
        CHECK_EQ(slots[0]->high[-1], 0);
    }
    CHECK(!ptk_sys_real.is_readable(slots[0]->low - 1));
    memset(slots[0]->low, 1, usable(slots[0]));
    ptk_stack_free(&pool, slots[0]);
    ptk_stack_free(&pool, slots[1]);
    ptk_stack_pool_fini(&pool);
}

TEST(p79_arena_without_stacks_in_use_is_unmapped) {
    ptk_stack_label_t found;
    size_t bytes;
    ptk_stack_slot_t *slots[100];
    for (size_t size = ptk_stack_default_bytes(); size <= (size_t) 1024 * 1024; size *= 4) {
        ptk_stack_pool_init(&pool, false);
        make_free_stacks(slots, 100, 100, size);
        const char *guard = slots[50]->arena->base;
        CHECK(ptk_stack_find_guard(guard, &found, &bytes));
        (void) ptk_stack_pool_plan_trim(&pool, 0);
        (void) ptk_stack_pool_plan_trim(&pool, 0);
        CHECK_EQ(ptk_stack_pool_trim(&pool, 1000), 100);
        CHECK(ptk_list_is_empty(&pool.arenas));
        CHECK(!ptk_stack_find_guard(guard, &found, &bytes));
        ptk_stack_free(&pool, take(size));
        ptk_stack_pool_fini(&pool);
    }
}

TEST(p79_stack_that_is_freed_cold_has_no_pages) {
    need_plain_memory();
    ptk_stack_slot_t *slots[2];
    ptk_stack_pool_init(&pool, false);
    make_free_stacks(slots, 2, 0, 0);
    ptk_stack_free_cold(&pool, slots[0]);
    CHECK(!is_resident(slots[0]->high - 1));
    CHECK_EQ(take(0), slots[0]);
    ptk_stack_free(&pool, slots[0]);
    ptk_stack_free(&pool, slots[1]);
    ptk_stack_pool_fini(&pool);
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
