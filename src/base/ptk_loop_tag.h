/* SPDX-License-Identifier: MIT */
/*
 * Loop tags (layer 0, internal): one of the four process-wide tables.
 *
 * Every living loop has a tag, and every token that its tables hand out carries it (ptk_token.h). The table
 * has two facts per tag. Whether it is living: that distinguishes a token of another thread's loop from one
 * whose loop has gone. And the highest generation of the tokens that were handed out under it: the next loop
 * with the same tag begins above that, so a token stays refused after its loop has gone.
 *
 * The table is touched when a loop is created or destroyed and when a token was refused. Any thread;
 * lock-free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* No loop has this tag. */
#define PTK_LOOP_TAG_NONE 0u

/* Takes a free tag. Returns PTK_LOOP_TAG_NONE if all are living or used up. The tokens of the new loop begin
 * above the generation that `generation_out` receives. */
uint32_t ptk_loop_tag_alloc(uint32_t *generation_out);

/* Frees a living tag. `generation` is the highest generation that was handed out under it. */
void ptk_loop_tag_free(uint32_t tag, uint32_t generation);

/* Returns true if a loop of this process, or of the process that forked it, has the tag. */
bool ptk_loop_tag_is_living(uint32_t tag);
