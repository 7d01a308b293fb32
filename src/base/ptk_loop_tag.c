/* SPDX-License-Identifier: MIT */
/*
 * The table of loop tags (layer 0): one word per tag. TAG_LIVING is set while a loop has the tag; the bits
 * below are the highest generation that its earlier loops have handed out.
 *
 *     free  --alloc-->  living  --free-->  free, or used up
 *
 * A tag whose generations are used up is not handed out again; where generations wrap, it begins with 0
 * again. Tags are tried in turn, so that the tag of a loop that has gone is reused as late as possible.
 */
#include "base/ptk_loop_tag.h"

#include "base/ptk_assert.h"
#include "base/ptk_token.h"
#include <stdatomic.h>

#define TAG_LIVING (UINT32_C(1) << 31)

static atomic_uint_least32_t tag_words[PTK_TOKEN_TAG_MAX + 1];
static atomic_uint_least32_t last_tag; /* the tag that was tried last; its upper bits are ignored */

/* Returns true if the tag was free and is living now; false also if another thread takes it at this time. */
static bool claim_tag(uint32_t tag, uint32_t *generation_out) {
    uint_least32_t word = atomic_load(&tag_words[tag]);
    if ((word & TAG_LIVING) != 0 || word >= PTK_TOKEN_GENERATION_MAX) {
        return false;
    }
    *generation_out = (uint32_t) word;
    return atomic_compare_exchange_strong(&tag_words[tag], &word, word | TAG_LIVING);
}

uint32_t ptk_loop_tag_alloc(uint32_t *generation_out) {
    for (uint32_t tried = 0; tried <= PTK_TOKEN_TAG_MAX; tried++) {
        uint32_t tag = (uint32_t) (atomic_fetch_add(&last_tag, 1) + 1) & PTK_TOKEN_TAG_MAX;
        if (tag != PTK_LOOP_TAG_NONE && claim_tag(tag, generation_out)) {
            return tag;
        }
    }
    return PTK_LOOP_TAG_NONE;
}

void ptk_loop_tag_free(uint32_t tag, uint32_t generation) {
    ptk_assert(ptk_loop_tag_is_living(tag));
    bool used_up = generation >= PTK_TOKEN_GENERATION_MAX;
    uint32_t begin = used_up && PTK_TOKEN_WRAPS ? 0 : generation;
    atomic_store(&tag_words[tag], begin < PTK_TOKEN_GENERATION_MAX ? begin : PTK_TOKEN_GENERATION_MAX);
}

bool ptk_loop_tag_is_living(uint32_t tag) {
    return tag <= PTK_TOKEN_TAG_MAX && (atomic_load(&tag_words[tag]) & TAG_LIVING) != 0;
}
