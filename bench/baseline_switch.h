/* SPDX-License-Identifier: MIT */
/*
 * A minimal stack switch: the cost of a yield that does nothing but switch.
 *
 * It stores the stack pointer, the frame pointer and the address of the instruction behind itself, and jumps
 * to that of the other context. All other registers, the vector registers too, are named as clobbered: the
 * compiler saves what it needs on the stack. A fresh context begins in a function that gets the context as
 * its argument, because the switch leaves it in the register of the first argument. Other processors use
 * swapcontext, which is much slower and so a weak baseline.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <stdlib.h>
#include <ucontext.h>
#endif

typedef struct baseline_context baseline_context_t;

/* The body of a context; it must not return. */
typedef void (*baseline_entry_fn)(baseline_context_t *self);

#if defined(__x86_64__)

#if defined(__AVX512F__)
#define BASELINE_CLOBBERS_WIDE                                                                               \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",     \
        "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define BASELINE_CLOBBERS_WIDE
#endif

struct baseline_context {
    _Alignas(64) void *program;
    void *stack;
    void *frame;
};

static inline __attribute__((always_inline)) void baseline_switch(baseline_context_t *from,
                                                                  baseline_context_t *to) {
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, 0(%[from])\n\t"
                     "movq %%rsp, 8(%[from])\n\t"
                     "movq %%rbp, 16(%[from])\n\t"
                     "movq 8(%[to]), %%rsp\n\t"
                     "movq 16(%[to]), %%rbp\n\t"
                     "jmpq *0(%[to])\n"
                     "1:"
                     : [from] "+S"(from), [to] "+D"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
                       "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" BASELINE_CLOBBERS_WIDE);
}

static inline void baseline_prepare(baseline_context_t *context, void *stack_high, baseline_entry_fn entry) {
    uintptr_t *top = (uintptr_t *) ((uintptr_t) stack_high & ~(uintptr_t) 15);
    top[-1] = 0; /* a return address of 0 ends a backtrace; it also aligns the stack as a call does */
    context->program = (void *) (uintptr_t) entry;
    context->stack = top - 1;
    context->frame = NULL;
}

#elif defined(__aarch64__)

struct baseline_context {
    _Alignas(64) void *program;
    void *stack;
    void *frame;
};

/* x18 belongs to the platform and x29 is the frame pointer, saved by hand. */
static inline __attribute__((always_inline)) void baseline_switch(baseline_context_t *from,
                                                                  baseline_context_t *to) {
    register baseline_context_t *to_register __asm__("x0") = to;
    register baseline_context_t *from_register __asm__("x1") = from;
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x9, x10, [x1]\n\t"
                     "str x29, [x1, #16]\n\t"
                     "ldp x16, x10, [x0]\n\t"
                     "ldr x29, [x0, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x16\n"
                     "1:"
                     : "+r"(to_register), "+r"(from_register)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
                       "x28", "x30", "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8",
                       "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",
                       "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

static inline void baseline_prepare(baseline_context_t *context, void *stack_high, baseline_entry_fn entry) {
    uintptr_t *top = (uintptr_t *) ((uintptr_t) stack_high & ~(uintptr_t) 15);
    context->program = (void *) (uintptr_t) entry;
    top[-1] = 0;
    context->stack = top - 2;
    context->frame = NULL;
}

#else

struct baseline_context {
    ucontext_t *ucontext;
    baseline_entry_fn entry;
};

static inline ucontext_t *baseline_ucontext(baseline_context_t *context) {
    if (!context->ucontext) {
        context->ucontext = malloc(sizeof(ucontext_t));
    }
    if (!context->ucontext) {
        abort();
    }
    return context->ucontext;
}

static inline void baseline_switch(baseline_context_t *from, baseline_context_t *to) {
    if (swapcontext(baseline_ucontext(from), to->ucontext) != 0) {
        abort();
    }
}

static inline void baseline_started(unsigned high, unsigned low) {
    baseline_context_t *self = (baseline_context_t *) (uintptr_t) ((uint64_t) high << 32 | low);
    self->entry(self);
}

static inline void baseline_prepare(baseline_context_t *context, void *stack_high, baseline_entry_fn entry) {
    ucontext_t *ucontext = baseline_ucontext(context);
    uint64_t address = (uintptr_t) context;
    getcontext(ucontext);
    context->entry = entry;
    ucontext->uc_stack.ss_sp = (char *) stack_high - 32768;
    ucontext->uc_stack.ss_size = 32768;
    ucontext->uc_link = NULL;
    makecontext(ucontext, (void (*)(void)) baseline_started, 2, (unsigned) (address >> 32),
                (unsigned) address);
}

#endif
