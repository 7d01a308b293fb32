/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include "ptk_test_faults.h"
#include <stdlib.h>
#include <string.h>

typedef struct counting {
    int reallocations;
    int releases;
} counting_t;

static void *counting_reallocate(void *context, void *memory, size_t size) {
    CHECK(size > 0);
    ((counting_t *) context)->reallocations++;
    return realloc(memory, size);
}

static void counting_release(void *context, void *memory) {
    CHECK(memory != NULL);
    ((counting_t *) context)->releases++;
    free(memory);
}

TEST(memory_is_counted) {
    size_t before = ptk_allocations_live();
    char *first = ptk_allocate(10);
    char *second = ptk_allocate_zeroed(100);
    CHECK(first && second);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(second[i], 0);
    }
    memset(second, 7, 100);
    CHECK_EQ(ptk_allocations_live(), before + 2);
    second = ptk_reallocate(second, 5000);
    CHECK_EQ(second[99], 7);
    CHECK_EQ(ptk_allocations_live(), before + 2);
    ptk_free(first);
    ptk_free(second);
    ptk_free(NULL);
    CHECK_EQ(ptk_allocations_live(), before);
}

TEST(memory_comes_from_the_allocator_that_was_set) {
    counting_t counting = {0, 0};
    const ptk_allocator_t allocator = {counting_reallocate, counting_release, &counting};
    CHECK_OK(ptk_alloc_set(&allocator));
    void *memory = ptk_allocate(10);
    memory = ptk_reallocate(memory, 20);
    CHECK_EQ(counting.reallocations, 2);
    CHECK_ERR(ptk_alloc_set(NULL), PTK_ERR_BUSY);
    CHECK_EQ(ptk_get_err(), PTK_ERR_BUSY);
    ptk_free(memory);
    CHECK_EQ(counting.releases, 1);
    CHECK_OK(ptk_alloc_set(NULL));
    ptk_free(ptk_allocate(10));
    CHECK_EQ(counting.reallocations, 2);
}

TEST(memory_refuses_an_incomplete_allocator) {
    const ptk_allocator_t no_release = {counting_reallocate, NULL, NULL};
    const ptk_allocator_t no_reallocate = {NULL, counting_release, NULL};
    CHECK_ERR(ptk_alloc_set(&no_release), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_alloc_set(&no_reallocate), PTK_ERR_INVALID_PARAM);
    ptk_free(ptk_allocate(1));
}

TEST(memory_that_runs_out_returns_null_p55) {
    ptk_test_faults_install();
    size_t before = ptk_allocations_live();
    char *memory = ptk_allocate(8);
    memcpy(memory, "kept", 5);
    ptk_test_fault(PTK_SYS_heap_reallocate, 1, 0, PTK_TEST_FOR_GOOD);
    CHECK(ptk_allocate(1) == NULL);
    CHECK(ptk_allocate_zeroed(1) == NULL);
    CHECK(ptk_reallocate(memory, 100) == NULL);
    CHECK_EQ(ptk_test_fault_failures(PTK_SYS_heap_reallocate), 3);
    CHECK_STR(memory, "kept");
    CHECK_EQ(ptk_allocations_live(), before + 1);
    ptk_test_faults_remove();
    ptk_free(memory);
}
