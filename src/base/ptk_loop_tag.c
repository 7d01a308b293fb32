/* SPDX-License-Identifier: MIT */
/*
 * The table of loop tags: one word per tag. LIVING is set while a loop has the tag; the bits below are the
 * first generation of the next loop's tokens. A tag whose generations are used up is never handed out again.
 */
#include "base/ptk_loop_tag.h"

#include "base/ptk_assert.h"
#include "base/ptk_token.h"
#include <stdatomic.h>

#define TAG_LIVING (UINT32_C(1) << 31)

static atomic_uint_least32_t tag_words[PTK_TOKEN_TAG_MAX + 1];
static atomic_uint_least32_t last_tag;

/* Returns true if the tag was free and is living now. */
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
    uint32_t next = generation >= PTK_TOKEN_GENERATION_MAX ? PTK_TOKEN_GENERATION_MAX : generation;
    atomic_store(&tag_words[tag], PTK_TOKEN_WRAPS && next == PTK_TOKEN_GENERATION_MAX ? 0 : next);
}

bool ptk_loop_tag_is_living(uint32_t tag) {
    return tag <= PTK_TOKEN_TAG_MAX && (atomic_load(&tag_words[tag]) & TAG_LIVING) != 0;
}
