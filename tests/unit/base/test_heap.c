/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "sim/world/ptk_choice_tree.h"
#include "base/ptk_heap.h"
#include "ptk_test_faults.h"
#include <stdlib.h>
#include <string.h>

/* The model: an array, sorted by deadline, ties in the order of insertion. */
#define MODEL_MAX 300

typedef struct timer {
    ptk_heap_item_t item;
    uint64_t deadline_ns;
} model_timer_t;

typedef struct model {
    model_timer_t *sorted[MODEL_MAX];
    size_t count;
} model_t;

static void model_insert(model_t *model, model_timer_t *timer) {
    size_t place = model->count;
    while (place > 0 && model->sorted[place - 1]->deadline_ns > timer->deadline_ns) {
        model->sorted[place] = model->sorted[place - 1];
        place--;
    }
    model->sorted[place] = timer;
    model->count++;
}

static model_timer_t *model_remove(model_t *model, size_t place) {
    model_timer_t *timer = model->sorted[place];
    model->count--;
    memmove(&model->sorted[place], &model->sorted[place + 1],
            (model->count - place) * sizeof model->sorted[0]);
    return timer;
}

static void check_first(const ptk_heap_t *heap, const model_t *model) {
    CHECK_EQ(heap->count, model->count);
    if (model->count == 0) {
        CHECK(ptk_heap_first(heap) == NULL);
        CHECK_EQ(ptk_heap_first_deadline(heap), UINT64_MAX);
        return;
    }
    CHECK_EQ(ptk_heap_first(heap), &model->sorted[0]->item);
    CHECK_EQ(ptk_heap_first_deadline(heap), model->sorted[0]->deadline_ns);
}

static void check_shape(const ptk_heap_t *heap) {
    CHECK(heap->count <= heap->reserved && heap->reserved <= heap->capacity);
    for (uint32_t i = 0; i < heap->count; i++) {
        CHECK_EQ(heap->entries[i].item->index, i);
        CHECK(i == 0 || heap->entries[(i - 1) / 4].deadline_ns <= heap->entries[i].deadline_ns);
    }
}

static void reserve(ptk_heap_t *heap, size_t count) {
    for (size_t i = 0; i < count; i++) {
        CHECK(ptk_heap_reserve(heap));
    }
}

/* Marks items as being in no heap, as every item must be before it is inserted. */
static void idle_items(ptk_heap_item_t *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        items[i].index = PTK_HEAP_NONE;
    }
}

static void unreserve_all(ptk_heap_t *heap) {
    while (heap->reserved > 0) {
        ptk_heap_unreserve(heap);
    }
}

/* Returns a deadline: a narrow range makes ties, a wide one makes order, and some are extremes. */
static uint64_t random_deadline(ptk_test_random_t *random, uint64_t range) {
    uint64_t dice = ptk_test_random_below(random, 64);
    return dice == 0 ? UINT64_MAX : dice == 1 ? 0 : ptk_test_random_below(random, range);
}

/* One thousand operations around a size that `target` sets: insert, cancel any item, expire the first. */
static void random_episode(ptk_heap_t *heap, ptk_test_random_t *random) {
    static model_timer_t timers[MODEL_MAX];
    static model_timer_t *idle[MODEL_MAX];
    model_t model = {.count = 0};
    size_t idle_count = 0;
    size_t target = 1 + ptk_test_random_below(random, MODEL_MAX - 1);
    uint64_t range = UINT64_C(1) << ptk_test_random_below(random, 40);
    for (size_t i = 0; i < MODEL_MAX; i++) {
        timers[i].item.index = PTK_HEAP_NONE;
        idle[idle_count++] = &timers[i];
    }
    for (int i = 0; i < 1000; i++) {
        if (model.count < MODEL_MAX && ptk_test_random_below(random, target * 2) >= model.count) {
            model_timer_t *timer = idle[--idle_count];
            timer->deadline_ns = random_deadline(random, range);
            ptk_heap_insert(heap, &timer->item, timer->deadline_ns);
            model_insert(&model, timer);
        } else if (model.count > 0) {
            size_t place = ptk_test_random_below(random, 2) ? 0 : ptk_test_random_below(random, model.count);
            model_timer_t *timer = model_remove(&model, place);
            ptk_heap_remove(heap, &timer->item);
            CHECK_EQ(timer->item.index, PTK_HEAP_NONE);
            idle[idle_count++] = timer;
        }
        check_first(heap, &model);
    }
    check_shape(heap);
    while (model.count > 0) {
        ptk_heap_remove(heap, &model_remove(&model, 0)->item);
        check_first(heap, &model);
    }
}

TEST(p19_heap_is_a_sorted_list) {
    ptk_test_random_t random = {19};
    ptk_heap_t heap;
    int episodes = ptk_test_is_long() ? 100000 : 1000; /* of 1,000 operations each */
    ptk_heap_init(&heap);
    reserve(&heap, MODEL_MAX);
    for (int i = 0; i < episodes; i++) {
        random_episode(&heap, &random);
    }
    unreserve_all(&heap);
    ptk_heap_fini(&heap);
}

/* One program of the exhaustive test: 7 timers with deadlines 0 to 2, one is cancelled, the rest expire. */
static void run_small_program(ptk_heap_t *heap) {
    enum { TIMERS = 7 };
    model_timer_t timers[TIMERS];
    model_t model = {.count = 0};
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = (model_timer_t) {{PTK_HEAP_NONE}, ptk_choice(PTK_CHOICE_TEST, 3)};
        ptk_heap_insert(heap, &timers[i].item, timers[i].deadline_ns);
        model_insert(&model, &timers[i]);
    }
    ptk_heap_remove(heap, &model_remove(&model, ptk_choice(PTK_CHOICE_TEST, TIMERS))->item);
    check_shape(heap);
    while (model.count > 0) {
        check_first(heap, &model);
        ptk_heap_remove(heap, &model_remove(&model, 0)->item);
    }
    check_first(heap, &model);
}

TEST(p19_heap_every_small_program) {
    ptk_choice_tree_t tree;
    ptk_heap_t heap;
    ptk_heap_init(&heap);
    reserve(&heap, 7);
    ptk_choice_tree_init(&tree, 8);
    ptk_thread()->oracle = &tree.oracle;
    do {
        run_small_program(&heap);
    } while (ptk_choice_tree_next(&tree));
    ptk_thread()->oracle = NULL;
    CHECK_EQ(tree.runs, 2187 * 7);
    unreserve_all(&heap);
    ptk_heap_fini(&heap);
}

TEST(heap_ties_leave_in_the_order_of_insertion) {
    enum { TIMERS = 1000 };
    static ptk_heap_item_t items[TIMERS];
    ptk_heap_t heap;
    ptk_heap_init(&heap);
    reserve(&heap, TIMERS);
    idle_items(items, TIMERS);
    for (int i = 0; i < TIMERS; i++) {
        ptk_heap_insert(&heap, &items[i], 5);
    }
    for (int i = 0; i < TIMERS; i += 3) {
        ptk_heap_remove(&heap, &items[i]);
        ptk_heap_insert(&heap, &items[i], 5);
    }
    for (int i = 0; i < TIMERS; i++) {
        if (i % 3 != 0) {
            CHECK_EQ(ptk_heap_first(&heap), &items[i]);
            ptk_heap_remove(&heap, &items[i]);
        }
    }
    for (int i = 0; i < TIMERS; i += 3) {
        CHECK_EQ(ptk_heap_first(&heap), &items[i]);
        ptk_heap_remove(&heap, &items[i]);
    }
    unreserve_all(&heap);
    ptk_heap_fini(&heap);
}

TEST(heap_orders_a_million_timers) {
    const uint32_t timers = 1000000;
    model_timer_t *all = calloc(timers, sizeof *all);
    ptk_test_random_t random = {7};
    ptk_heap_t heap;
    CHECK(all != NULL);
    ptk_heap_init(&heap);
    reserve(&heap, timers);
    for (uint32_t i = 0; i < timers; i++) {
        all[i] = (model_timer_t) {{PTK_HEAP_NONE}, ptk_test_random(&random)};
        ptk_heap_insert(&heap, &all[i].item, all[i].deadline_ns);
    }
    check_shape(&heap);
    uint64_t last = 0;
    while (heap.count > 0) {
        CHECK(ptk_heap_first_deadline(&heap) >= last);
        last = ptk_heap_first_deadline(&heap);
        ptk_heap_remove(&heap, ptk_heap_first(&heap));
    }
    unreserve_all(&heap);
    ptk_heap_fini(&heap);
    free(all);
}

TEST(heap_reserve_fails_and_keeps_everything_p55) {
    enum { TIMERS = 64 };
    ptk_heap_item_t items[TIMERS];
    ptk_heap_t heap;
    ptk_heap_init(&heap);
    ptk_test_faults_install();
    ptk_test_fault(PTK_SYS_heap_reallocate, 1, 0, PTK_TEST_ONCE);
    CHECK(!ptk_heap_reserve(&heap));
    CHECK_EQ(heap.reserved, 0);
    reserve(&heap, TIMERS);
    idle_items(items, TIMERS);
    for (int i = 0; i < TIMERS; i++) {
        ptk_heap_insert(&heap, &items[i], (uint64_t) i);
    }
    ptk_test_fault(PTK_SYS_heap_reallocate, 1, 0, PTK_TEST_FOR_GOOD);
    CHECK(!ptk_heap_reserve(&heap));
    CHECK(!ptk_heap_reserve(&heap));
    CHECK_EQ(heap.reserved, TIMERS);
    ptk_test_faults_remove();
    CHECK(ptk_heap_reserve(&heap));
    for (int i = 0; i < TIMERS; i++) {
        CHECK_EQ(ptk_heap_first(&heap), &items[i]);
        ptk_heap_remove(&heap, &items[i]);
    }
    unreserve_all(&heap);
    ptk_heap_fini(&heap);
}
