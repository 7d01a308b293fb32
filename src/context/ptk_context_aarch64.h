/* SPDX-License-Identifier: MIT */
/*
 * The switch for aarch64, AAPCS64 (layer 1). The contract is in ptk_context.h, the principle in
 * ptk_context_x86_64_sysv.h.
 *
 * The switch does not change x18. Where the platform does not reserve that register, compilers use it as a
 * scratch register, so there it is declared as clobbered too. The resume point begins with a landing pad for
 * branch target identification, which older processors execute as a no-operation.
 */
#pragma once

#include "context/ptk_fp.h"
#include "context/ptk_sanitizer.h"
#include <stdint.h>

typedef struct ptk_context_registers {
    void *stack;   /* sp, offset 0 */
    void *program; /* pc, offset 8 */
    void *frame;   /* x29, offset 16 */
} ptk_context_registers_t;

typedef struct ptk_context {
    ptk_context_registers_t registers;
    PTK_SANITIZER_MEMBER
} ptk_context_t;

#if defined(__ARM_FEATURE_SVE)
#define PTK_CONTEXT_CLOBBERS_WIDE                                                                            \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"
#else
#define PTK_CONTEXT_CLOBBERS_WIDE
#endif

#if defined(__APPLE__) || defined(__ANDROID__) || defined(_WIN32)
#define PTK_CONTEXT_CLOBBERS_PLATFORM
#else
#define PTK_CONTEXT_CLOBBERS_PLATFORM , "x18"
#endif

static inline __attribute__((always_inline)) void ptk_context_jump(ptk_context_registers_t *from,
                                                                   ptk_context_registers_t *to) {
    register ptk_context_registers_t *from_register __asm__("x0") = from;
    register ptk_context_registers_t *to_register __asm__("x1") = to;
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x10, x9, [x0]\n\t"
                     "str x29, [x0, #16]\n\t"
                     "ldp x10, x16, [x1]\n\t"
                     "ldr x29, [x1, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x16\n"
                     "1:\n\t"
                     "hint #36" /* bti j */
                     : "+r"(from_register), "+r"(to_register)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
                       "x28", "x30", "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8",
                       "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",
                       "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
                       "v31" PTK_CONTEXT_CLOBBERS_PLATFORM PTK_CONTEXT_CLOBBERS_WIDE);
}

/* The first instructions of every fresh context: assembly, never called from C. */
void ptk_context_start(void);

/* Writes entry and argument to the top of the stack, where ptk_context_start reads them. */
static inline void ptk_context_prepare(ptk_context_registers_t *registers, void *stack_low, void *stack_high,
                                       void (*entry)(void *), void *argument) {
    uintptr_t *top = (uintptr_t *) ((uintptr_t) stack_high & ~(uintptr_t) 15);
    (void) stack_low;
    top[-2] = (uintptr_t) entry;
    top[-1] = (uintptr_t) argument;
    registers->stack = top - 2;
    registers->program = (void *) (uintptr_t) ptk_context_start;
    registers->frame = NULL;
}
