/* SPDX-License-Identifier: MIT */
/*
 * The switch through swapcontext(3).
 *
 * A ucontext_t takes a kilobyte or more, too much for every task. So that of a suspended context is in the
 * frame of its own switch, and that of a fresh one at the top of its stack, above the part that the stack
 * grows into; the task has a pointer to it. Entry and argument are stored beside the fresh one, because
 * makecontext passes nothing wider than an int: its function gets the address of that record in two halves.
 */
#include "context/ptk_context.h"

#include "base/ptk_assert.h"
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

/* The frame of a switch holds a whole ucontext_t by design. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define UCONTEXT_STACK_ALIGNMENT 64

/* At the top of a fresh context's stack. */
typedef struct ucontext_fresh {
    ucontext_t ucontext;
    void (*entry)(void *);
    void *argument;
} ucontext_fresh_t;

/* Ends walks by frame pointers at the start of the context. */
static void ucontext_clear_frame_pointer(ucontext_t *ucontext) {
#if defined(__linux__) && defined(__x86_64__)
    ucontext->uc_mcontext.gregs[REG_RBP] = 0;
#elif defined(__linux__) && defined(__aarch64__)
    ucontext->uc_mcontext.regs[29] = 0;
#else
    (void) ucontext;
#endif
}

/* The function of makecontext. */
static void ucontext_start(unsigned high, unsigned low) {
    const ucontext_fresh_t *fresh = (const ucontext_fresh_t *) (uintptr_t) ((uint64_t) high << 32 | low);
    fresh->entry(fresh->argument);
    ptk_assert_failed(__FILE__, __LINE__, "a context's entry never returns");
}

/* `here` stays valid while the context is suspended, because its frame does. */
void ptk_context_jump(ptk_context_registers_t *from, ptk_context_registers_t *to) {
    ucontext_t here;
    from->ucontext = &here;
    swapcontext(&here, to->ucontext);
}

/* The pointer is split by shifts of a 64-bit integer, which are defined also where pointers have 32 bits. */
void ptk_context_prepare(ptk_context_registers_t *registers, void *stack_low, void *stack_high,
                         void (*entry)(void *), void *argument) {
    uintptr_t top =
        ((uintptr_t) stack_high - sizeof(ucontext_fresh_t)) & ~(uintptr_t) (UCONTEXT_STACK_ALIGNMENT - 1);
    ucontext_fresh_t *fresh = (ucontext_fresh_t *) top;
    uint64_t address = top;
    getcontext(&fresh->ucontext);
    ucontext_clear_frame_pointer(&fresh->ucontext);
    fresh->entry = entry;
    fresh->argument = argument;
    fresh->ucontext.uc_stack.ss_sp = stack_low;
    fresh->ucontext.uc_stack.ss_size = top - (uintptr_t) stack_low;
    fresh->ucontext.uc_link = NULL;
    makecontext(&fresh->ucontext, (void (*)(void)) ucontext_start, 2, (unsigned) (address >> 32),
                (unsigned) address);
    registers->ucontext = &fresh->ucontext;
}

/* The layout of the machine context is known on these two CPUs alone; elsewhere a backtrace is empty. */
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
