/* SPDX-License-Identifier: MIT */
/*
 * The blocks of a host are recorded in a hash table by address, with open addressing, at most half full.
 * Removing a block moves up those behind it that would not be found any more.
 *
 * The record does not lie in front of the block: a block is exactly what the process's heap returned, so
 * sanitizers see its ends.
 *
 * The position of a block in the table depends on its address and so on the machine. No result of these
 * functions does.
 */
#include "sim/kernel/ptk_sim_heap.h"

#include "sim/kernel/ptk_sim_memory.h"
#include "sys/ptk_sys.h"

#define HEAP_FIRST_CAPACITY 64
#define HEAP_MIN_STEP_BYTES 16 /* the distance of two sizes up to 128 bytes */

typedef struct ptk_sim_heap_block {
    void *memory; /* NULL: the slot is free */
    uint64_t charge;
} heap_block_t;

/* The step is the smallest power of two, from 16 on, of which the size has at most eight. */
uint64_t ptk_sim_heap_charge(size_t bytes) {
    uint64_t step = HEAP_MIN_STEP_BYTES;
    while (step < bytes / 8 + (bytes % 8 != 0)) {
        step *= 2;
    }
    return (bytes + step - 1) / step * step;
}

/* Returns the slot where the search for a block starts. */
static size_t heap_home_slot(const ptk_sim_heap_t *heap, const void *memory) {
    uint64_t mixed = ((uint64_t) (uintptr_t) memory >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t) (mixed >> 32) & (heap->capacity - 1);
}

/* Returns the slot of a block, or the free one where it is to be recorded. */
static heap_block_t *heap_slot_of(const ptk_sim_heap_t *heap, const void *memory) {
    size_t at = heap_home_slot(heap, memory);
    while (heap->blocks[at].memory && heap->blocks[at].memory != memory) {
        at = (at + 1) & (heap->capacity - 1);
    }
    return &heap->blocks[at];
}

/* Makes room for one more block: doubles the table when it would be more than half full. */
static void heap_reserve(ptk_sim_heap_t *heap) {
    ptk_sim_heap_t old = *heap;
    if ((old.count + 1) * 2 <= old.capacity) {
        return;
    }
    heap->capacity = old.capacity ? old.capacity * 2 : HEAP_FIRST_CAPACITY;
    heap->blocks = ptk_sim_allocate(heap->capacity * sizeof *heap->blocks);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.blocks[i].memory) {
            *heap_slot_of(heap, old.blocks[i].memory) = old.blocks[i];
        }
    }
    ptk_sim_free(old.blocks);
}

/* Records a block. Its address may be recorded already: another host freed that block, and the process's
   heap returned the same address again. */
static void heap_insert_block(ptk_sim_heap_t *heap, void *memory, uint64_t charge) {
    heap_reserve(heap);
    heap_block_t *slot = heap_slot_of(heap, memory);
    heap->count += slot->memory ? 0 : 1; /* else another host has freed it */
    heap->bytes += charge - slot->charge;
    *slot = (heap_block_t) {memory, charge};
}

/* Removes a block. The blocks behind the hole are moved into it where their search would otherwise stop at
   it. */
static void heap_remove_block(ptk_sim_heap_t *heap, heap_block_t *slot) {
    size_t hole = (size_t) (slot - heap->blocks);
    heap->count--;
    heap->bytes -= slot->charge;
    for (size_t at = (hole + 1) & (heap->capacity - 1); heap->blocks[at].memory;
         at = (at + 1) & (heap->capacity - 1)) {
        size_t displacement = (at - heap_home_slot(heap, heap->blocks[at].memory)) & (heap->capacity - 1);
        if (displacement >= ((at - hole) & (heap->capacity - 1))) {
            heap->blocks[hole] = heap->blocks[at];
            hole = at;
        }
    }
    heap->blocks[hole] = (heap_block_t) {0};
}

/* Returns the slot of a recorded block, or NULL. */
static heap_block_t *heap_find_block(const ptk_sim_heap_t *heap, const void *memory) {
    heap_block_t *slot = heap->capacity && memory ? heap_slot_of(heap, memory) : NULL;
    return slot && slot->memory ? slot : NULL;
}

void ptk_sim_heap_fini(ptk_sim_heap_t *heap) {
    ptk_sim_free(heap->blocks);
    *heap = (ptk_sim_heap_t) {.limit_bytes = heap->limit_bytes};
}

/* The comparisons are arranged so that no sum can overflow. */
bool ptk_sim_heap_fits(const ptk_sim_heap_t *heap, const void *memory, size_t bytes) {
    const heap_block_t *block = heap_find_block(heap, memory);
    uint64_t others = heap->bytes - (block ? block->charge : 0);
    return heap->limit_bytes == 0 || (bytes <= heap->limit_bytes && others <= heap->limit_bytes &&
                                      ptk_sim_heap_charge(bytes) <= heap->limit_bytes - others);
}

/* The old record is removed only after the reallocation has succeeded: otherwise the block still exists. */
void *ptk_sim_heap_reallocate(ptk_sim_heap_t *heap, void *memory, size_t bytes) {
    heap_block_t *block = heap_find_block(heap, memory);
    void *fresh = ptk_sys_real.heap_reallocate(memory, bytes);
    if (fresh && block) {
        heap_remove_block(heap, block);
    }
    if (fresh) {
        heap_insert_block(heap, fresh, ptk_sim_heap_charge(bytes));
    }
    return fresh;
}

void ptk_sim_heap_free(ptk_sim_heap_t *heap, void *memory) {
    heap_block_t *block = heap_find_block(heap, memory);
    if (block) {
        heap_remove_block(heap, block);
    }
    ptk_sys_real.heap_free(memory);
}
