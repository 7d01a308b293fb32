/* SPDX-License-Identifier: MIT */
/*
 * Token tables (layer 0): the model stands in ptk_token.h. A chunk of slots is added when the last one is
 * used up; a page of it is touched only when a slot in it is first used.
 */
#include "base/ptk_token.h"

#include "base/ptk_loop_tag.h"
#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include <string.h>

#define TOKEN_ALIGNMENT   ((size_t) 64)
#define FIRST_CHUNK_COUNT 8u

void ptk_token_table_init(ptk_token_table_t *table, size_t stride, uint32_t tag, uint32_t generation) {
    ptk_assert(stride % TOKEN_ALIGNMENT == 0 && stride >= sizeof(ptk_token_head_t));
    *table = (ptk_token_table_t) {.stride = (uint32_t) stride, .tag = tag, .first_generation = generation};
    ptk_queue_init(&table->free_slots);
}

/* Returns the allocation that holds a chunk. Its address is stored in the word before the first slot, because
 * the chunk is aligned inside it. */
static void *chunk_memory(char *chunk) {
    void *memory;
    memcpy(&memory, chunk - sizeof memory, sizeof memory);
    return memory;
}

void ptk_token_table_fini(ptk_token_table_t *table) {
    for (uint32_t slot = 0; slot < table->slot_count; slot += PTK_TOKEN_CHUNK_SLOTS) {
        ptk_free(chunk_memory(table->chunks[slot / PTK_TOKEN_CHUNK_SLOTS]));
    }
    ptk_free(table->chunks);
    *table = (ptk_token_table_t) {.stride = table->stride, .tag = table->tag};
}

/* Doubles the array of chunks. Returns false if there is no memory. */
static bool grow_chunk_list(ptk_token_table_t *table) {
    uint32_t capacity = table->chunk_capacity ? table->chunk_capacity * 2 : FIRST_CHUNK_COUNT;
    char **grown = ptk_reallocate(table->chunks, capacity * sizeof *grown);
    if (!grown) {
        return false;
    }
    table->chunks = grown;
    table->chunk_capacity = capacity;
    return true;
}

/* Adds a chunk, uninitialised. Returns false if there is no memory; the table is then as before. */
static bool add_token_chunk(ptk_token_table_t *table) {
    uint32_t index = table->slot_count / PTK_TOKEN_CHUNK_SLOTS;
    if (index == table->chunk_capacity && !grow_chunk_list(table)) {
        return false;
    }
    void *memory =
        ptk_allocate(TOKEN_ALIGNMENT + sizeof memory + (size_t) PTK_TOKEN_CHUNK_SLOTS * table->stride);
    if (!memory) {
        return false;
    }
    uintptr_t first =
        ((uintptr_t) memory + sizeof memory + TOKEN_ALIGNMENT - 1) & ~(uintptr_t) (TOKEN_ALIGNMENT - 1);
    char *chunk = (char *) memory + (first - (uintptr_t) memory);
    memcpy(chunk - sizeof memory, &memory, sizeof memory);
    table->chunks[index] = chunk;
    return true;
}

static uintptr_t token_with_generation(const ptk_token_table_t *table, uint32_t slot, uint32_t generation) {
    return (uintptr_t) table->tag << PTK_TOKEN_TAG_SHIFT |
           (uintptr_t) generation << PTK_TOKEN_GENERATION_SHIFT | (uintptr_t) slot << 1 | 1u;
}

ptk_token_head_t *ptk_token_alloc_new_slot(ptk_token_table_t *table) {
    uint32_t slot = table->slot_count;
    if (slot > PTK_TOKEN_SLOT_MAX || (slot % PTK_TOKEN_CHUNK_SLOTS == 0 && !add_token_chunk(table))) {
        return NULL;
    }
    table->slot_count++;
    ptk_token_head_t *head = memset(ptk_token_slot(table, slot, table->stride), 0, table->stride);
    head->next_token = token_with_generation(table, slot, table->first_generation + 1);
    return head;
}

/* A slot that wraps begins with generation 0 and not with the table's first one, so that all generations pass
 * before one comes back. */
void ptk_token_wrap(ptk_token_table_t *table, ptk_token_head_t *head) {
    table->is_exhausted = true;
    if (PTK_TOKEN_WRAPS) {
        uint32_t slot = (uint32_t) (head->next_token >> 1) & PTK_TOKEN_SLOT_MAX;
        head->next_token = token_with_generation(table, slot, 0);
        ptk_queue_push(&table->free_slots, &head->free_link);
    } else {
        head->next_token = 0; /* no later life */
    }
}

uint32_t ptk_token_last_generation(const ptk_token_table_t *table) {
    uint32_t last = table->first_generation;
    if (table->is_exhausted) {
        return PTK_TOKEN_GENERATION_MAX;
    }
    for (uint32_t slot = 0; slot < table->slot_count; slot++) {
        uintptr_t next = ptk_token_slot(table, slot, table->stride)->next_token;
        uint32_t generation = (uint32_t) (next >> PTK_TOKEN_GENERATION_SHIFT) & PTK_TOKEN_GENERATION_MAX;
        last = generation - 1 > last ? generation - 1 : last; /* `next` has not been handed out */
    }
    return last;
}

void ptk_token_visit(ptk_token_table_t *table, void (*visitor)(void *context, void *object), void *context) {
    for (uint32_t slot = 0; slot < table->slot_count; slot++) {
        ptk_token_head_t *head = ptk_token_slot(table, slot, table->stride);
        if (head->token != 0) {
            visitor(context, head);
        }
    }
}

ptk_err ptk_token_refusal(const void *token) {
    uintptr_t bits = (uintptr_t) token;
    const ptk_thread_block_t *block = ptk_thread();
    uint32_t tag = (uint32_t) (bits >> PTK_TOKEN_TAG_SHIFT);
    if ((bits & 1) == 0 || tag == PTK_LOOP_TAG_NONE) {
        return PTK_ERR_INVALID_PARAM;
    }
    if (tag == block->loop_tag || !ptk_loop_tag_is_living(tag)) {
        return PTK_ERR_CLOSED;
    }
    return block->forked ? PTK_ERR_FORKED : PTK_ERR_WRONG_THREAD;
}
