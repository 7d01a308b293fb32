/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_slab.h"
#include "ptk_test_faults.h"
#include <string.h>

TEST(slab_objects_are_aligned_disjoint_and_zeroed) {
    enum { OBJECTS = 3000 };
    static unsigned char *objects[OBJECTS];
    ptk_slab_t slab;
    ptk_slab_init(&slab, 100);
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = ptk_slab_alloc(&slab);
        CHECK(objects[i] != NULL);
        CHECK_EQ((uintptr_t) objects[i] % 64, 0);
        for (int byte = 0; byte < 128; byte++) {
            CHECK_EQ(objects[i][byte], 0);
        }
        memset(objects[i], 0xee, 128);
    }
    CHECK_EQ(slab.live_count, OBJECTS);
    for (int i = 0; i < OBJECTS; i++) {
        ptk_slab_free(&slab, objects[i]);
    }
    ptk_slab_fini(&slab);
}

TEST(slab_is_last_in_first_out) {
    void *objects[5];
    ptk_slab_t slab;
    ptk_slab_init(&slab, 64);
    for (int i = 0; i < 5; i++) {
        objects[i] = ptk_slab_alloc(&slab);
    }
    for (int i = 0; i < 5; i++) {
        ptk_slab_free(&slab, objects[i]);
    }
    for (int i = 4; i >= 0; i--) {
        CHECK_EQ(ptk_slab_alloc(&slab), objects[i]);
    }
    for (int i = 0; i < 5; i++) {
        ptk_slab_free(&slab, objects[i]);
    }
    ptk_slab_fini(&slab);
}

TEST(slab_objects_keep_their_bytes_when_reused) {
    ptk_slab_t slab;
    ptk_slab_init(&slab, 64);
    unsigned char *object = ptk_slab_alloc(&slab);
    memset(object, 0x5a, 64);
    ptk_slab_free(&slab, object);
    CHECK_EQ(ptk_slab_alloc(&slab), object);
    for (size_t byte = sizeof(void *); byte < 64; byte++) {
        CHECK_EQ(object[byte], 0x5a);
    }
    ptk_slab_free(&slab, object);
    ptk_slab_fini(&slab);
}

TEST(slab_contains_each_object_ever_handed_out) {
    enum { OBJECTS = 1500 };
    static unsigned char *objects[OBJECTS];
    ptk_slab_t slab;
    ptk_slab_init(&slab, 192);
    CHECK(!ptk_slab_contains(&slab, &slab));
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = ptk_slab_alloc(&slab);
    }
    for (int i = 0; i < OBJECTS; i += 2) {
        ptk_slab_free(&slab, objects[i]);
    }
    for (int i = 0; i < OBJECTS; i++) {
        CHECK(ptk_slab_contains(&slab, objects[i]));
        CHECK(!ptk_slab_contains(&slab, objects[i] + 64));
    }
    CHECK(!ptk_slab_contains(&slab, objects[OBJECTS - 1] + 192));
    CHECK(!ptk_slab_contains(&slab, &slab) && !ptk_slab_contains(&slab, NULL));
    for (int i = 1; i < OBJECTS; i += 2) {
        ptk_slab_free(&slab, objects[i]);
    }
    ptk_slab_fini(&slab);
}

TEST(slab_fini_frees_live_objects_too) {
    ptk_slab_t slab;
    ptk_slab_init(&slab, 64);
    CHECK(ptk_slab_alloc(&slab) != NULL);
    ptk_slab_fini(&slab);
    CHECK_EQ(slab.live_count, 0);
    ptk_slab_free(&slab, ptk_slab_alloc(&slab)); /* as good as new */
    ptk_slab_fini(&slab);
}

TEST(slab_serves_objects_larger_than_a_chunk) {
    ptk_slab_t slab;
    ptk_slab_init(&slab, 200000);
    char *first = ptk_slab_alloc(&slab);
    char *second = ptk_slab_alloc(&slab);
    CHECK(first && second && first != second);
    memset(first, 1, 200000);
    CHECK_EQ(second[0], 0);
    CHECK_EQ(second[199999], 0);
    ptk_slab_free(&slab, first);
    ptk_slab_free(&slab, second);
    ptk_slab_fini(&slab);
}

TEST(p55_slab_out_of_memory_returns_null) {
    ptk_slab_t slab;
    ptk_slab_init(&slab, 64);
    ptk_test_faults_install();
    ptk_test_fault(PTK_SYS_heap_reallocate, 1, 0, PTK_TEST_ONCE);
    CHECK(ptk_slab_alloc(&slab) == NULL);
    CHECK_EQ(slab.live_count, 0);
    void *object = ptk_slab_alloc(&slab);
    CHECK(object != NULL);
    ptk_test_faults_remove();
    ptk_slab_free(&slab, object);
    ptk_slab_fini(&slab);
}
