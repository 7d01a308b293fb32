/* SPDX-License-Identifier: MIT */
/*
 * The exceptions of C++ that a context is in the middle of (layer 1): what `__cxa_get_globals` of the C++ ABI
 * has per OS thread. A switch does not keep it; a context that throws, or parks inside a catch block, saves
 * and loads it around each switch.
 */
#pragma once

/* `__cxa_eh_globals` of the Itanium C++ ABI. */
typedef struct ptk_cxx_words {
    void *caught;      /* the stack of exceptions that are handled */
    unsigned uncaught; /* how many were thrown and are not caught yet */
} ptk_cxx_words_t;

/* Gives the OS thread `next` and returns what it had. */
static inline ptk_cxx_words_t ptk_cxx_exchange(ptk_cxx_words_t *place, ptk_cxx_words_t next) {
    ptk_cxx_words_t before = *place;
    *place = next;
    return before;
}
