/* SPDX-License-Identifier: MIT */
/*
 * The books of a host's heap are a hash table by address, open addressing, at most half full; whoever leaves
 * it moves up those behind that would not be found any more. They are not kept in front of the blocks: a
 * block is exactly what the process's heap handed out, so that sanitizers see its ends.
 *
 * Where a block stands in the table depends on its address and so on the machine. Nothing that comes out of
 * here does.
 */
#include "sim/kernel/ptk_sim_heap.h"

#include "sim/kernel/ptk_sim_memory.h"
#include "sys/ptk_sys.h"

#define HEAP_FIRST_CAPACITY 64
#define HEAP_MIN_STEP_BYTES     16

typedef struct ptk_sim_heap_block {
    void *memory; /* NULL: this place is free */
    uint64_t charge;
} heap_block_t;

uint64_t ptk_sim_heap_charge(size_t bytes) {
    uint64_t step = HEAP_MIN_STEP_BYTES;
    while (step < bytes / 8 + (bytes % 8 != 0)) {
        step *= 2;
    }
    return (bytes + step - 1) / step * step;
}

static size_t heap_home_slot(const ptk_sim_heap_t *heap, const void *memory) {
    uint64_t mixed = ((uint64_t) (uintptr_t) memory >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t) (mixed >> 32) & (heap->capacity - 1);
}

/* Where it is, or is to be. */
static heap_block_t *heap_slot_of(const ptk_sim_heap_t *heap, const void *memory) {
    size_t at = heap_home_slot(heap, memory);
    while (heap->blocks[at].memory && heap->blocks[at].memory != memory) {
        at = (at + 1) & (heap->capacity - 1);
    }
    return &heap->blocks[at];
}

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

static void heap_insert_block(ptk_sim_heap_t *heap, void *memory, uint64_t charge) {
    heap_reserve(heap);
    heap_block_t *slot = heap_slot_of(heap, memory);
    heap->count += slot->memory ? 0 : 1; /* else another host has released it */
    heap->bytes += charge - slot->charge;
    *slot = (heap_block_t) {memory, charge};
}

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

/* NULL: not known. */
static heap_block_t *heap_find_block(const ptk_sim_heap_t *heap, const void *memory) {
    heap_block_t *slot = heap->capacity && memory ? heap_slot_of(heap, memory) : NULL;
    return slot && slot->memory ? slot : NULL;
}

void ptk_sim_heap_fini(ptk_sim_heap_t *heap) {
    ptk_sim_free(heap->blocks);
    *heap = (ptk_sim_heap_t) {.limit_bytes = heap->limit_bytes};
}

bool ptk_sim_heap_fits(const ptk_sim_heap_t *heap, const void *memory, size_t bytes) {
    const heap_block_t *block = heap_find_block(heap, memory);
    uint64_t others = heap->bytes - (block ? block->charge : 0);
    return heap->limit_bytes == 0 || (bytes <= heap->limit_bytes && others <= heap->limit_bytes &&
                                      ptk_sim_heap_charge(bytes) <= heap->limit_bytes - others);
}

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
