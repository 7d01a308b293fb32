/* SPDX-License-Identifier: MIT */
/*
 * Compares the counts of a simulated host's heap with a plain list of live blocks.
 */
#include "ptk_test.h"

#include "sim/kernel/ptk_sim_heap.h"
#include "sys/ptk_sys.h"

#define BLOCKS 200

TEST(a_block_counts_as_one_of_four_sizes_per_power_of_two) {
    const struct {
        size_t bytes;
        uint64_t charge;
    } rows[] = {{1, 16},        {16, 16},       {17, 32},       {128, 128},    {129, 160},  {160, 160},
                {161, 192},     {256, 256},     {257, 320},     {960, 1024},   {984, 1024}, {1025, 1280},
                {65280, 65536}, {65000, 65536}, {65537, 81920}, {81920, 81920}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_EQ(ptk_sim_heap_charge(rows[i].bytes), rows[i].charge);
    }
    for (size_t bytes = 1; bytes < 100000; bytes++) {
        uint64_t charge = ptk_sim_heap_charge(bytes);
        CHECK(charge >= bytes && (charge - bytes) * 4 <= bytes + 60);
        CHECK_EQ(ptk_sim_heap_charge((size_t) charge), charge);
    }
    CHECK(ptk_sim_heap_charge(SIZE_MAX / 2) >= SIZE_MAX / 2);
}

typedef struct block {
    void *memory;
    size_t bytes;
} block_t;

static void check_books(const ptk_sim_heap_t *heap, const block_t *blocks) {
    uint64_t bytes = 0;
    size_t count = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        count += blocks[i].memory ? 1 : 0;
        bytes += blocks[i].memory ? ptk_sim_heap_charge(blocks[i].bytes) : 0;
    }
    CHECK_EQ(heap->count, count);
    CHECK_EQ(heap->bytes, bytes);
}

static void change(ptk_sim_heap_t *heap, block_t *block, size_t bytes) {
    if (bytes == 0 && block->memory) {
        ptk_sim_heap_free(heap, block->memory);
        *block = (block_t) {NULL, 0};
    } else if (bytes != 0) {
        void *fresh = ptk_sim_heap_reallocate(heap, block->memory, bytes);
        CHECK(fresh != NULL);
        *block = (block_t) {fresh, bytes};
    }
}

TEST(the_count_matches_the_live_blocks_after_any_calls) {
    static block_t blocks[BLOCKS];
    ptk_test_random_t random = {7};
    ptk_sim_heap_t heap = {0};
    for (int i = 0; i < 20000; i++) {
        bool goes = ptk_test_random_below(&random, 2) != 0;
        size_t bytes = goes ? 0 : 1 + (size_t) ptk_test_random_below(&random, 3000);
        change(&heap, &blocks[ptk_test_random_below(&random, BLOCKS)], bytes);
        check_books(&heap, blocks);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        change(&heap, &blocks[i], 0);
    }
    CHECK_EQ(heap.count, 0);
    CHECK_EQ(heap.bytes, 0);
    ptk_sim_heap_fini(&heap);
}

TEST(fits_does_not_count_the_block_that_is_replaced) {
    ptk_sim_heap_t heap = {.limit_bytes = 1024};
    void *memory = ptk_sim_heap_reallocate(&heap, NULL, 512);
    CHECK(ptk_sim_heap_fits(&heap, NULL, 512));
    CHECK(!ptk_sim_heap_fits(&heap, NULL, 513));
    CHECK(ptk_sim_heap_fits(&heap, memory, 1024));
    CHECK(!ptk_sim_heap_fits(&heap, memory, 1025));
    CHECK(!ptk_sim_heap_fits(&heap, NULL, SIZE_MAX));
    ptk_sim_heap_free(&heap, memory);
    ptk_sim_heap_fini(&heap);
    CHECK_EQ(heap.limit_bytes, 1024);
}

/* The address of a block that another host freed is returned again for a new one, which counts once. */
TEST(a_block_freed_by_another_host_is_not_counted_twice) {
    ptk_sim_heap_t one = {0};
    ptk_sim_heap_t other = {0};
    void *memory = ptk_sim_heap_reallocate(&one, NULL, 100);
    ptk_sim_heap_free(&other, memory);
    CHECK_EQ(other.count, 0);
    CHECK_EQ(one.count, 1);
    for (int i = 0; i < 100; i++) { /* one of them may get the address */
        void *again = ptk_sim_heap_reallocate(&one, NULL, 100);
        ptk_sim_heap_free(&one, again);
    }
    CHECK(one.count <= 1);
    ptk_sim_heap_fini(&one);
    ptk_sim_heap_fini(&other);
}
