/* SPDX-License-Identifier: MIT */
/*
 * The switch for x86-64, System V ABI (layer 1). The contract is in ptk_context.h.
 *
 * The switch is inlined into its caller. It stores the stack pointer, the frame pointer and the address
 * behind itself, and loads those of the other context; every other register is declared as clobbered, so the
 * compiler saves what is live on the stack. It pushes nothing, so the red zone stays valid. It jumps and does
 * not return: a return to another stack would be mispredicted.
 */
#pragma once

#include "context/ptk_fp.h"
#include "context/ptk_sanitizer.h"
#include <stdint.h>

typedef struct ptk_context_registers {
    void *stack;   /* rsp, offset 0 */
    void *program; /* rip, offset 8 */
    void *frame;   /* rbp, offset 16 */
} ptk_context_registers_t;

typedef struct ptk_context {
    ptk_context_registers_t registers;
    PTK_SANITIZER_MEMBER
} ptk_context_t;

#if defined(__AVX512F__)
#define PTK_CONTEXT_CLOBBERS_WIDE                                                                            \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",     \
        "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define PTK_CONTEXT_CLOBBERS_WIDE
#endif

/* rbp is not allowed in a clobber list where frame pointers are kept, so the assembly saves it. */
static inline __attribute__((always_inline)) void ptk_context_jump(ptk_context_registers_t *from,
                                                                   ptk_context_registers_t *to) {
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%[from])\n\t"
                     "movq %%rax, 8(%[from])\n\t"
                     "movq %%rbp, 16(%[from])\n\t"
                     "movq 0(%[to]), %%rsp\n\t"
                     "movq 16(%[to]), %%rbp\n\t"
                     "jmpq *8(%[to])\n"
                     "1:"
                     : [from] "+D"(from), [to] "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
                       "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)",
                       "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5",
                       "mm6", "mm7" PTK_CONTEXT_CLOBBERS_WIDE);
}

/* The first instructions of every fresh context: assembly, never called from C. */
void ptk_context_start(void);

/* Writes entry and argument to the top of the stack, where ptk_context_start pops them. */
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
