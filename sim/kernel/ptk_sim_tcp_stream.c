/* SPDX-License-Identifier: MIT */
/* A ring that grows with what it holds, and gives its memory back when it is emptied after it has been large.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include <string.h>

#define FIRST_CAPACITY 256
#define LARGE          4096

static void make_room(ptk_sim_stream_t *stream, uint32_t count) {
    uint32_t capacity = stream->capacity ? stream->capacity : FIRST_CAPACITY;
    while (capacity - stream->count < count) {
        capacity *= 2;
    }
    if (capacity != stream->capacity) {
        uint8_t *data = ptk_sim_allocate(capacity);
        ptk_sim_stream_copy(stream, 0, data, stream->count);
        ptk_sim_free(stream->data);
        stream->data = data;
        stream->capacity = capacity;
        stream->start = 0;
    }
}

void ptk_sim_stream_append(ptk_sim_stream_t *stream, const uint8_t *bytes, uint32_t count) {
    if (count == 0) {
        return;
    }
    make_room(stream, count);
    uint32_t at = (stream->start + stream->count) & (stream->capacity - 1);
    uint32_t first = count < stream->capacity - at ? count : stream->capacity - at;
    memcpy(stream->data + at, bytes, first);
    memcpy(stream->data, bytes + first, count - first);
    stream->count += count;
}

void ptk_sim_stream_copy(const ptk_sim_stream_t *stream, uint32_t offset, uint8_t *bytes, uint32_t count) {
    ptk_assert(offset <= stream->count && count <= stream->count - offset);
    if (count == 0) {
        return;
    }
    uint32_t at = (stream->start + offset) & (stream->capacity - 1);
    uint32_t first = count < stream->capacity - at ? count : stream->capacity - at;
    memcpy(bytes, stream->data + at, first);
    memcpy(bytes + first, stream->data, count - first);
}

void ptk_sim_stream_drop(ptk_sim_stream_t *stream, uint32_t count) {
    ptk_assert(count <= stream->count);
    if (count == 0) {
        return;
    }
    stream->start = (stream->start + count) & (stream->capacity - 1);
    stream->count -= count;
    if (stream->count == 0 && stream->capacity > LARGE) {
        ptk_sim_stream_clear(stream);
    }
}

void ptk_sim_stream_clear(ptk_sim_stream_t *stream) {
    ptk_sim_free(stream->data);
    *stream = (ptk_sim_stream_t) {0};
}
