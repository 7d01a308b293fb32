/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_loop_tag.h"
#include "base/ptk_token.h"
#include "ptk_test_faults.h"

typedef struct object {
    ptk_token_head_t head;
    int value;
} object_t;

enum { STRIDE = PTK_TOKEN_STRIDE(object_t) };

static void init_table(ptk_token_table_t *table, uint32_t tag, uint32_t generation) {
    ptk_token_table_init(table, STRIDE, tag, generation);
}

static object_t *find(const ptk_token_table_t *table, const void *token) {
    return ptk_token_find(table, token, STRIDE);
}

/* Ends the life of an object and frees its slot. */
static void end(ptk_token_table_t *table, object_t *object) {
    ptk_token_end(&object->head);
    ptk_token_free(table, &object->head);
}

TEST(p84_token_finds_its_object_until_it_ends) {
    ptk_token_table_t table;
    init_table(&table, 7, 0);
    object_t *object = ptk_token_alloc(&table);
    const void *token = ptk_token_of(&object->head);
    CHECK(((uintptr_t) token & 1) == 1);
    CHECK(find(&table, token) == object);
    ptk_token_end(&object->head);
    CHECK(find(&table, token) == NULL);
    ptk_token_free(&table, &object->head);
    CHECK(find(&table, token) == NULL);
    ptk_token_table_fini(&table);
}

TEST(p84_token_that_was_never_handed_out_finds_no_object) {
    ptk_token_table_t table;
    init_table(&table, 7, 0);
    CHECK(find(&table, NULL) == NULL);
    object_t *object = ptk_token_alloc(&table);
    end(&table, object);
    CHECK(find(&table, NULL) == NULL); /* the ended slot's own word is 0 */
    CHECK(find(&table, object) == NULL);
    CHECK(find(&table, (void *) UINTPTR_MAX) == NULL);
    ptk_token_table_fini(&table);
}

TEST(p84_stale_token_is_refused_in_every_later_life_of_its_slot) {
    enum { LIVES = 5000 };
    static const void *tokens[LIVES];
    ptk_token_table_t table;
    init_table(&table, 1, 0);
    for (int life = 0; life < LIVES; life++) {
        object_t *object = ptk_token_alloc(&table);
        tokens[life] = ptk_token_of(&object->head);
        for (int earlier = life > 300 ? life - 300 : 0; earlier < life; earlier++) {
            CHECK(find(&table, tokens[earlier]) == NULL);
        }
        CHECK(find(&table, tokens[life]) == object);
        end(&table, object);
    }
    CHECK_EQ(table.slot_count, 1);
    ptk_token_table_fini(&table);
}

TEST(p84_slot_with_used_up_generations_is_not_reused) {
    ptk_token_table_t table;
    if (PTK_TOKEN_WRAPS) {
        SKIP("generations wrap on this system");
    }
    init_table(&table, 1, PTK_TOKEN_GENERATION_MAX - 2);
    object_t *object = ptk_token_alloc(&table);
    const void *first = ptk_token_of(&object->head);
    end(&table, object);
    CHECK(ptk_token_alloc(&table) == object);
    const void *last = ptk_token_of(&object->head);
    end(&table, object);
    object_t *other = ptk_token_alloc(&table);
    CHECK(other != object);
    CHECK(find(&table, first) == NULL && find(&table, last) == NULL);
    end(&table, other);
    ptk_token_table_fini(&table);
}

TEST(p84_token_that_wraps_comes_back_after_all_generations) {
    enum { LIVES = 1 << PTK_TOKEN_GENERATION_BITS };
    ptk_token_table_t table;
    if (!PTK_TOKEN_WRAPS) {
        SKIP("generations do not wrap on this system");
    }
    init_table(&table, 1, PTK_TOKEN_GENERATION_MAX - 1); /* an earlier loop has used up nearly all */
    object_t *object = ptk_token_alloc(&table);
    const void *first = ptk_token_of(&object->head);
    for (int life = 1; life < LIVES; life++) {
        end(&table, object);
        CHECK(ptk_token_alloc(&table) == object);
        CHECK(find(&table, first) == NULL);
    }
    CHECK_EQ(ptk_token_last_generation(&table), PTK_TOKEN_GENERATION_MAX);
    end(&table, object);
    CHECK(ptk_token_alloc(&table) == object);
    CHECK(find(&table, first) == object);
    end(&table, object);
    ptk_token_table_fini(&table);
}

TEST(token_slots_are_reused_first_in_first_out) {
    ptk_token_table_t table;
    object_t *objects[3];
    init_table(&table, 1, 0);
    for (int i = 0; i < 3; i++) {
        objects[i] = ptk_token_alloc(&table);
    }
    for (int i = 0; i < 3; i++) {
        end(&table, objects[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(ptk_token_alloc(&table) == objects[i]);
    }
    for (int i = 0; i < 3; i++) {
        end(&table, objects[i]);
    }
    ptk_token_table_fini(&table);
}

TEST(token_objects_are_aligned_zeroed_at_first_and_kept_afterwards) {
    enum { OBJECTS = 1000 };
    static object_t *objects[OBJECTS];
    ptk_token_table_t table;
    init_table(&table, 1, 0);
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = ptk_token_alloc(&table);
        CHECK(objects[i] && (uintptr_t) objects[i] % 64 == 0 && objects[i]->value == 0);
        objects[i]->value = i + 1;
    }
    for (int i = 0; i < OBJECTS; i++) {
        CHECK(find(&table, ptk_token_of(&objects[i]->head)) == objects[i] && objects[i]->value == i + 1);
        end(&table, objects[i]);
    }
    CHECK_EQ(((object_t *) ptk_token_alloc(&table))->value, 1);
    ptk_token_table_fini(&table);
}

static void count_visit(void *context, void *object) {
    CHECK(((object_t *) object)->head.token != 0);
    ++*(int *) context;
}

TEST(token_visit_calls_for_living_objects_only) {
    ptk_token_table_t table;
    object_t *objects[5];
    int visits = 0;
    init_table(&table, 1, 0);
    for (int i = 0; i < 5; i++) {
        objects[i] = ptk_token_alloc(&table);
    }
    end(&table, objects[1]);
    ptk_token_end(&objects[3]->head);
    ptk_token_visit(&table, count_visit, &visits);
    CHECK_EQ(visits, 3);
    ptk_token_table_fini(&table);
}

TEST(p55_token_take_without_memory_returns_null_and_recovers) {
    ptk_token_table_t table;
    init_table(&table, 1, 0);
    ptk_test_faults_install();
    for (uint32_t call = 1; call <= 2; call++) {
        ptk_test_fault(PTK_SYS_heap_reallocate, call, 0, PTK_TEST_ONCE);
        CHECK(ptk_token_alloc(&table) == NULL);
    }
    CHECK(ptk_token_alloc(&table) != NULL);
    ptk_test_faults_remove();
    ptk_token_table_fini(&table);
}

TEST(p84_tokens_of_a_later_loop_with_the_same_tag_begin_above_the_earlier_ones) {
    uint32_t generation = 0;
    uint32_t again = 0;
    uint32_t tag = ptk_loop_tag_alloc(&generation);
    CHECK(tag != PTK_LOOP_TAG_NONE && ptk_loop_tag_is_living(tag));
    ptk_loop_tag_free(tag, generation + 5);
    CHECK(!ptk_loop_tag_is_living(tag));
    for (uint32_t other = 0; other != tag;) {
        other = ptk_loop_tag_alloc(&again);
        CHECK(other != PTK_LOOP_TAG_NONE);
        if (other != tag) {
            ptk_loop_tag_free(other, again);
        }
    }
    CHECK_EQ(again, generation + 5);
    ptk_loop_tag_free(tag, again);
}

TEST(loop_tags_run_out_and_come_back) {
    static uint32_t generations[PTK_TOKEN_TAG_MAX + 1];
    uint32_t generation = 0;
    uint32_t taken = 0;
    uint32_t tag;
    while ((tag = ptk_loop_tag_alloc(&generation)) != PTK_LOOP_TAG_NONE) {
        generations[tag] = generation;
        taken++;
    }
    CHECK_EQ(taken, PTK_TOKEN_TAG_MAX);
    for (uint32_t round = 0; round < 8; round++) { /* the second search for the same tag ends at it */
        tag = 1 + round / 2 * (PTK_TOKEN_TAG_MAX / 4);
        ptk_loop_tag_free(tag, generations[tag]);
        CHECK_EQ(ptk_loop_tag_alloc(&generations[tag]), tag);
    }
    CHECK_EQ(ptk_loop_tag_alloc(&generation), PTK_LOOP_TAG_NONE);
    for (tag = 1; tag <= PTK_TOKEN_TAG_MAX; tag++) {
        ptk_loop_tag_free(tag, generations[tag]);
    }
    CHECK(ptk_loop_tag_alloc(&generation) != PTK_LOOP_TAG_NONE);
}

TEST(p84_token_refusal_distinguishes_garbage_stale_and_foreign_tokens) {
    ptk_token_table_t table;
    uint32_t generation = 0;
    uint32_t tag = ptk_loop_tag_alloc(&generation);
    init_table(&table, tag, generation);
    object_t *object = ptk_token_alloc(&table);
    const void *token = ptk_token_of(&object->head);
    CHECK_ERR(ptk_token_refusal(NULL), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_token_refusal(&table), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_token_refusal(token), PTK_ERR_WRONG_THREAD);
    ptk_loop_tag_free(tag, generation + 1);
    CHECK_ERR(ptk_token_refusal(token), PTK_ERR_CLOSED);
    end(&table, object);
    ptk_token_table_fini(&table);
}
