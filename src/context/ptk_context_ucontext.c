/* SPDX-License-Identifier: MIT */
/*
 * A ucontext_t takes a kilobyte or more, too much for every control block. So a suspended context's lies in
 * the frame of its own switch, and a fresh one's at the top of its stack, above where the stack will grow;
 * the control block has a pointer. Entry and argument stand beside the fresh one, because makecontext passes
 * nothing wider than an int: its function gets that place's address in two halves.
 */
#include "context/ptk_context.h"

#include "base/ptk_assert.h"
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

/* The frame of a switch holds a whole ucontext_t, which is the point. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define STACK_ALIGNMENT 64

typedef struct fresh {
    ucontext_t ucontext;
    void (*entry)(void *);
    void *argument;
} fresh_t;

/* No frame lies above the start of a context: walkers must stop there. */
static void clear_frame_pointer(ucontext_t *ucontext) {
#if defined(__linux__) && defined(__x86_64__)
    ucontext->uc_mcontext.gregs[REG_RBP] = 0;
#elif defined(__linux__) && defined(__aarch64__)
    ucontext->uc_mcontext.regs[29] = 0;
#else
    (void) ucontext;
#endif
}

static void start(unsigned high, unsigned low) {
    const fresh_t *fresh = (const fresh_t *) (uintptr_t) ((uint64_t) high << 32 | low);
    fresh->entry(fresh->argument);
    ptk_assert_failed(__FILE__, __LINE__, "a context's entry never returns");
}

void ptk_context_jump(ptk_context_registers_t *from, ptk_context_registers_t *to) {
    ucontext_t here;
    from->ucontext = &here;
    swapcontext(&here, to->ucontext);
}

void ptk_context_prepare(ptk_context_registers_t *registers, void *stack_low, void *stack_high,
                         void (*entry)(void *), void *argument) {
    uintptr_t top = ((uintptr_t) stack_high - sizeof(fresh_t)) & ~(uintptr_t) (STACK_ALIGNMENT - 1);
    fresh_t *fresh = (fresh_t *) top;
    uint64_t address = top;
    getcontext(&fresh->ucontext);
    clear_frame_pointer(&fresh->ucontext);
    fresh->entry = entry;
    fresh->argument = argument;
    fresh->ucontext.uc_stack.ss_sp = stack_low;
    fresh->ucontext.uc_stack.ss_size = top - (uintptr_t) stack_low;
    fresh->ucontext.uc_link = NULL;
    makecontext(&fresh->ucontext, (void (*)(void)) start, 2, (unsigned) (address >> 32), (unsigned) address);
    registers->ucontext = &fresh->ucontext;
}

void ptk_context_position(const ptk_context_t *context, void **pc_out, void **frame_out) {
    const ucontext_t *ucontext = context->registers.ucontext;
    *pc_out = NULL;
    *frame_out = NULL;
#if defined(__linux__) && defined(__x86_64__)
    *pc_out = (void *) (uintptr_t) ucontext->uc_mcontext.gregs[REG_RIP];
    *frame_out = (void *) (uintptr_t) ucontext->uc_mcontext.gregs[REG_RBP];
#elif defined(__linux__) && defined(__aarch64__)
    *pc_out = (void *) (uintptr_t) ucontext->uc_mcontext.pc;
    *frame_out = (void *) (uintptr_t) ucontext->uc_mcontext.regs[29];
#else
    (void) ucontext;
#endif
}
