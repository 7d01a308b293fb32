/* SPDX-License-Identifier: MIT */
/*
 * The hash is two lanes of multiply, xor and rotate over the numbers of each entry (the constants are those
 * of xxHash and SplitMix64). It distinguishes runs; it does not resist an adversary.
 */
#include "sim/kernel/ptk_sim_trace.h"

#include "sim/kernel/ptk_sim_memory.h"

#define TRACE_FIRST_CAPACITY 1024
#define TRACE_LANE_ONE       UINT64_C(0x9E3779B185EBCA87)
#define TRACE_LANE_TWO       UINT64_C(0xC2B2AE3D27D4EB4F)

/* The lanes start with different constants, or they would stay equal. */
void ptk_sim_trace_init(ptk_sim_trace_t *trace, bool keeps) {
    *trace = (ptk_sim_trace_t) {.hash = {TRACE_LANE_ONE, TRACE_LANE_TWO}, .keeps = keeps};
}

void ptk_sim_trace_fini(ptk_sim_trace_t *trace) {
    ptk_sim_free(trace->entries);
    trace->entries = NULL;
    trace->capacity = 0;
}

static uint64_t trace_rotate(uint64_t value, unsigned bits) {
    return value << bits | value >> (64 - bits);
}

/* Mixes one number into both lanes. The result depends on the order. */
static void trace_hash_value(ptk_sim_trace_t *trace, uint64_t value) {
    trace->hash[0] = trace_rotate(trace->hash[0] ^ (value * TRACE_LANE_TWO), 31) * TRACE_LANE_ONE;
    trace->hash[1] =
        trace_rotate(trace->hash[1] + (value ^ trace->hash[0]) * TRACE_LANE_ONE, 27) * TRACE_LANE_TWO;
}

/* Appends an entry to the stored trace; the caller counts it. */
static void trace_store(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry) {
    if (trace->count == trace->capacity) {
        trace->capacity = trace->capacity ? trace->capacity * 2 : TRACE_FIRST_CAPACITY;
        trace->entries = ptk_sim_reallocate(trace->entries, trace->capacity * sizeof *trace->entries);
    }
    trace->entries[trace->count] = *entry;
}

void ptk_sim_trace_add_unhashed(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry) {
    if (trace->keeps) {
        trace_store(trace, entry);
        trace->count++;
    }
}

/* Kind and host share one number; the order of the numbers is part of the format. */
void ptk_sim_trace_add(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry) {
    trace_hash_value(trace, entry->at_ns);
    trace_hash_value(trace, (uint64_t) entry->kind << 32 | entry->host);
    trace_hash_value(trace, entry->a);
    trace_hash_value(trace, entry->b);
    trace_hash_value(trace, entry->c);
    if (trace->keeps) {
        trace_store(trace, entry);
    }
    trace->count++;
}

/* Compares member by member: an entry has padding in some builds. */
static bool trace_entries_equal(const ptk_sim_trace_entry_t *one, const ptk_sim_trace_entry_t *other) {
    return one->at_ns == other->at_ns && one->kind == other->kind && one->host == other->host &&
           one->a == other->a && one->b == other->b && one->c == other->c;
}

size_t ptk_sim_trace_difference(const ptk_sim_trace_t *one, const ptk_sim_trace_t *other) {
    size_t common = one->count < other->count ? one->count : other->count;
    for (size_t i = 0; i < common; i++) {
        if (!trace_entries_equal(&one->entries[i], &other->entries[i])) {
            return i;
        }
    }
    return one->count == other->count ? SIZE_MAX : common;
}
