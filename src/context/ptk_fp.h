/* SPDX-License-Identifier: MIT */
/*
 * The floating-point control words of this CPU (layer 1): rounding mode, exception masks, flush-to-zero. A
 * switch does not keep them; a context that has words of its own saves and loads them around each switch.
 *
 *     ptk_fp_words_t     the control words, without status bits
 *     ptk_fp_save(out)   reads the CPU's words
 *     ptk_fp_load(words) sets them; status bits are unchanged
 *     ptk_fp_equal(a, b) returns whether two sets of words are the same
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)

typedef struct ptk_fp_words {
    uint32_t mxcsr;
    uint32_t x87;
} ptk_fp_words_t;

#define PTK_FP_MXCSR_STATUS 0x3fu

static inline void ptk_fp_save(ptk_fp_words_t *words_out) {
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    words_out->mxcsr = mxcsr & ~PTK_FP_MXCSR_STATUS;
    words_out->x87 = x87;
}

static inline void ptk_fp_load(const ptk_fp_words_t *words) {
    uint32_t mxcsr;
    uint16_t x87 = (uint16_t) words->x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr = (mxcsr & PTK_FP_MXCSR_STATUS) | words->mxcsr;
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87) : "memory");
}

static inline bool ptk_fp_equal(const ptk_fp_words_t *left, const ptk_fp_words_t *right) {
    return left->mxcsr == right->mxcsr && left->x87 == right->x87;
}

#elif defined(__aarch64__)

typedef struct ptk_fp_words {
    uint64_t fpcr;
} ptk_fp_words_t;

static inline void ptk_fp_save(ptk_fp_words_t *words_out) {
    __asm__ volatile("mrs %0, fpcr" : "=r"(words_out->fpcr));
}

static inline void ptk_fp_load(const ptk_fp_words_t *words) {
    __asm__ volatile("msr fpcr, %0" : : "r"(words->fpcr) : "memory");
}

static inline bool ptk_fp_equal(const ptk_fp_words_t *left, const ptk_fp_words_t *right) {
    return left->fpcr == right->fpcr;
}

#else /* a CPU whose words ptk does not handle: they are shared by all contexts */

typedef struct ptk_fp_words {
    uint32_t none;
} ptk_fp_words_t;

static inline void ptk_fp_save(ptk_fp_words_t *words_out) {
    words_out->none = 0;
}

static inline void ptk_fp_load(const ptk_fp_words_t *words) {
    (void) words;
}

static inline bool ptk_fp_equal(const ptk_fp_words_t *left, const ptk_fp_words_t *right) {
    return left->none == right->none;
}

#endif
