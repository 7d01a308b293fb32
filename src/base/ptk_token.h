/* SPDX-License-Identifier: MIT */
/*
 * Tokens and the tables that hand them out (layer 0, internal).
 *
 * A socket, a waitable and a handle of a green thread are named by a token that looks like a pointer and that
 * no caller ever dereferences: bit 0 is set, then follow slot, generation and loop tag. The object lies in a
 * slot of a table of its loop and holds the token of its present life. A public call computes the slot's
 * address and compares the two tokens: one comparison establishes owner, slot and life.
 *
 *     free  --alloc-->  living  --end-->  ended  --free-->  free
 *
 * *Living*: the token finds the object. *Ended* (closed, destroyed): the token is refused, while green
 * threads that are inside a call still use the memory. *Free*: the slot is unused until its next life, which
 * gets the next generation; free slots are reused first in, first out.
 *
 * On 64-bit systems a slot whose generations are used up is not reused, so a stale token is refused for ever.
 * On 32-bit systems generations wrap: while its loop lives, a stale token is accepted only after its slot has
 * been reused a multiple of 1,024 times. One of a loop that has gone can be accepted earlier, once a later
 * loop has the same tag and one of its slots the same generation.
 *
 * Chunks of slots live as long as the table. Owner thread only, but for ptk_token_refusal.
 */
#pragma once

#include "base/ptk_queue.h"
#include <ptk_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX > UINT32_MAX
#define PTK_TOKEN_SLOT_BITS       24
#define PTK_TOKEN_GENERATION_BITS 24
#define PTK_TOKEN_TAG_BITS        15
#define PTK_TOKEN_WRAPS           false
#else
#define PTK_TOKEN_SLOT_BITS       16
#define PTK_TOKEN_GENERATION_BITS 10
#define PTK_TOKEN_TAG_BITS        5
#define PTK_TOKEN_WRAPS           true
#endif

#define PTK_TOKEN_SLOT_MAX       ((UINT32_C(1) << PTK_TOKEN_SLOT_BITS) - 1)
#define PTK_TOKEN_GENERATION_MAX ((UINT32_C(1) << PTK_TOKEN_GENERATION_BITS) - 1)
#define PTK_TOKEN_TAG_MAX        ((UINT32_C(1) << PTK_TOKEN_TAG_BITS) - 1)

#define PTK_TOKEN_GENERATION_SHIFT (1 + PTK_TOKEN_SLOT_BITS)
#define PTK_TOKEN_TAG_SHIFT        (PTK_TOKEN_GENERATION_SHIFT + PTK_TOKEN_GENERATION_BITS)

#define PTK_TOKEN_CHUNK_SLOTS 64u

/* Bytes from one slot to the next for objects of `type`. */
#define PTK_TOKEN_STRIDE(type) ((sizeof(type) + 63u) & ~(size_t) 63u)

/* The first member of every object that has a token. */
typedef struct ptk_token_head {
    uintptr_t token;            /* of the present life; 0: ended or free */
    ptk_queue_node_t free_link; /* while free */
    uintptr_t next_token;       /* of the next life, 0: there is none; not meaningful while living */
} ptk_token_head_t;

typedef struct ptk_token_table {
    char **chunks;             /* of PTK_TOKEN_CHUNK_SLOTS slots each; owned */
    uint32_t slot_count;       /* slots that were ever handed out */
    uint32_t stride;           /* bytes from one slot to the next: PTK_TOKEN_STRIDE of the objects */
    ptk_queue_t free_slots;    /* by ptk_token_head_t.free_link */
    uint32_t tag;              /* of the loop */
    uint32_t first_generation; /* earlier loops with this tag have handed out no higher one */
    uint32_t chunk_capacity;   /* room in `chunks` */
    bool is_exhausted;         /* a slot has used up its generations */
} ptk_token_table_t;

/* Initialises a table for a loop with `tag`, whose tokens begin above `generation`. Allocates nothing. */
void ptk_token_table_init(ptk_token_table_t *table, size_t stride, uint32_t tag, uint32_t generation);

/* Frees all chunks, and with them the objects that are still living. */
void ptk_token_table_fini(ptk_token_table_t *table);

/* Returns a zeroed slot that was never used, NULL: out of memory or of slots. Called by ptk_token_alloc
 * alone.
 */
ptk_token_head_t *ptk_token_alloc_new_slot(ptk_token_table_t *table);

/* Returns the head of a slot that exists. */
static inline ptk_token_head_t *ptk_token_slot(const ptk_token_table_t *table, uint32_t slot, size_t stride) {
    char *chunk = table->chunks[slot / PTK_TOKEN_CHUNK_SLOTS];
    return (ptk_token_head_t *) (void *) (chunk + slot % PTK_TOKEN_CHUNK_SLOTS * stride);
}

/* Begins a life. Returns the object, whose memory behind its head is zeroed in a slot's first life and left
   as it was in later ones; NULL: out of memory or of slots. */
static inline void *ptk_token_alloc(ptk_token_table_t *table) {
    ptk_queue_node_t *node = ptk_queue_pop(&table->free_slots);
    ptk_token_head_t *head = ptk_likely(node != NULL) ? ptk_container_of(node, ptk_token_head_t, free_link)
                                                      : ptk_token_alloc_new_slot(table);
    if (ptk_likely(head != NULL)) {
        ptk_assert(head->token == 0);
        head->token = head->next_token;
    }
    return head;
}

/* Ends the present life: from now on its token is refused. */
static inline void ptk_token_end(ptk_token_head_t *head) {
    ptk_assert(head->token != 0);
    head->next_token = head->token + ((uintptr_t) 1 << PTK_TOKEN_GENERATION_SHIFT);
    head->token = 0;
}

/* Handles a slot whose generations are used up: it goes out of use, or, where generations wrap, begins with
 * generation 0. Called by ptk_token_free alone. */
void ptk_token_wrap(ptk_token_table_t *table, ptk_token_head_t *head);

/* Returns an ended object's slot to the table. */
static inline void ptk_token_free(ptk_token_table_t *table, ptk_token_head_t *head) {
    ptk_assert(head->token == 0);
    if (ptk_unlikely(head->next_token >> PTK_TOKEN_TAG_SHIFT != table->tag)) {
        ptk_token_wrap(table, head); /* the generation has overflowed into the tag */
        return;
    }
    ptk_queue_push(&table->free_slots, &head->free_link);
}

/* Returns the highest generation that the table has handed out, or a higher one. No object is living. */
uint32_t ptk_token_last_generation(const ptk_token_table_t *table);

/* Calls `visitor` for every living object. The visitor may end and free the object. */
void ptk_token_visit(ptk_token_table_t *table, void (*visitor)(void *context, void *object), void *context);

/* Returns why the calling thread may not use `token`: INVALID_PARAM (NULL, or no token), WRONG_THREAD,
   FORKED, CLOSED. */
ptk_err ptk_token_refusal(const void *token);

/* Returns the living object that `token` names in `table`, NULL if there is none: ptk_token_refusal states
 * why. */
static inline void *ptk_token_find(const ptk_token_table_t *table, const void *token, size_t stride) {
    uintptr_t bits = (uintptr_t) token;
    uint32_t slot = (uint32_t) (bits >> 1) & PTK_TOKEN_SLOT_MAX;
    if (ptk_unlikely(slot >= table->slot_count)) {
        return NULL;
    }
    ptk_token_head_t *head = ptk_token_slot(table, slot, stride);
    return ptk_likely(head->token == bits && bits != 0) ? head : NULL;
}

/* Returns the address-like value that users hold. */
static inline void *ptk_token_of(const ptk_token_head_t *head) {
    return (void *) head->token; /* NOLINT(performance-no-int-to-ptr): the value is never dereferenced */
}
