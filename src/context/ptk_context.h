/* SPDX-License-Identifier: MIT */
/*
 * The stack switch (layer 1): inline assembly per ABI, or ucontext. Sanitizers and Valgrind are notified of
 * every switch.
 *
 * A context is running, suspended, or ended. The running one was adopted (a thread's own stack) or was
 * switched to; a switch suspends it and runs another. ptk_context_t holds the resume point of a suspended
 * context: a few words in the owner's memory. All contexts that switch to each other belong to one OS thread.
 *
 * A switch declares every register as clobbered, so the compiler saves exactly what is live across it. It
 * keeps neither the signal mask nor the floating-point control words (see ptk_fp.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "context/ptk_sanitizer.h"

#if defined(PTK_CONTEXT_UCONTEXT)
#include "context/ptk_context_ucontext.h"
#elif defined(__x86_64__)
#include "context/ptk_context_x86_64_sysv.h"
#elif defined(__aarch64__)
#include "context/ptk_context_aarch64.h"
#endif

/*
 * A port to another ABI adds one header and one .c, which define:
 *
 *     ptk_context_registers_t   what a suspended context resumes from
 *     ptk_context_t             { ptk_context_registers_t registers; PTK_SANITIZER_MEMBER }
 *     ptk_context_jump          (from, to), both registers: the switch itself
 *     ptk_context_prepare       (registers, stack_low, stack_high, entry, argument): makes the
 *                               resume point of a fresh context
 *     ptk_context_position      see below
 *
 * The first jump to a fresh context calls entry(argument) with a zero frame pointer and an undefined return
 * address, so that every walk of its stack ends there.
 */

/* Initialises `context` as the running one, which was not made by ptk_context_make (a thread's own stack). */
void ptk_context_adopt(ptk_context_t *context);

/* Initialises `context` as a suspended one that will call entry(argument) on the stack [stack_low,
 * stack_high). entry must never return; if it does, the process traps. A few instructions, because every
 * spawn runs it. */
void ptk_context_make(ptk_context_t *context, void *stack_low, void *stack_high, void (*entry)(void *),
                      void *argument);

/* Releases a sanitizer's record of a context that will not run any more. Not called on the context itself. */
void ptk_context_fini(ptk_context_t *context);

/* Completes the first switch to `self`. The first statement of every `entry`. */
static inline void ptk_context_entered(ptk_context_t *self) {
    ptk_sanitizer_arrived(&self->sanitizer);
    (void) self;
}

/* Suspends `from`, which is the running context, and runs `to`. Returns when another context switches to
 * `from`. */
static inline void ptk_context_switch(ptk_context_t *from, ptk_context_t *to) {
    ptk_sanitizer_leaving(&from->sanitizer, &to->sanitizer);
    ptk_context_jump(&from->registers, &to->registers);
    ptk_sanitizer_arrived(&from->sanitizer);
}

/* The same for a context that will never run again; does not return. */
static inline void ptk_context_switch_end(ptk_context_t *from, ptk_context_t *to) {
    ptk_sanitizer_ending(&from->sanitizer, &to->sanitizer);
    ptk_context_jump(&from->registers, &to->registers);
}

/* Returns the program counter and the frame pointer of a suspended context, for backtraces; NULL if unknown.
 */
void ptk_context_position(const ptk_context_t *context, void **pc_out, void **frame_out);
