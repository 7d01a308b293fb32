/* SPDX-License-Identifier: MIT */
/*
 * One stack switch (layer 1): the ABI's inline assembly, or ucontext; sanitizers and Valgrind know of every
 * switch.
 *
 *     ptk_context_t          where a suspended context goes on: small, in the owner's memory
 *     ptk_context_make       a fresh context on a stack
 *     ptk_context_switch     leave `from`, continue `to`; comes back when somebody switches to `from`
 *     ptk_context_switch_end the same for a context that will never run again
 *
 * A switch names every register as clobbered, so the compiler saves just what lives across it. It keeps no
 * signal mask and no floating-point control words (see ptk_fp_words_t).
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
/* Each of these defines:
     ptk_context_t           { ptk_context_registers_t registers; PTK_SANITIZER_MEMBER }
     ptk_fp_words_t, ptk_fp_save(), ptk_fp_load(): the control words alone, without status bits
     static inline void ptk_context_jump(ptk_context_registers_t *from, ptk_context_registers_t *to);
     void ptk_context_prepare(registers, stack_low, stack_high, entry, argument); */

/* The context that is running now and was not made by ptk_context_make (a thread's own stack). */
void ptk_context_adopt(ptk_context_t *context);

/* A fresh context that will call entry(argument) on [stack_low, stack_high). entry must never return. Cheap:
   it is part of every spawn. */
void ptk_context_make(ptk_context_t *context, void *stack_low, void *stack_high, void (*entry)(void *),
                      void *argument);

/* A context that will not run any more: sanitizers forget it. Not on the context itself. */
void ptk_context_fini(ptk_context_t *context);

/* First thing in every `entry`. */
static inline void ptk_context_entered(ptk_context_t *self) {
    ptk_sanitizer_arrived(&self->sanitizer);
    (void) self;
}

static inline void ptk_context_switch(ptk_context_t *from, ptk_context_t *to) {
    ptk_sanitizer_leaving(&from->sanitizer, &to->sanitizer);
    ptk_context_jump(&from->registers, &to->registers);
    ptk_sanitizer_arrived(&from->sanitizer);
}

static inline void ptk_context_switch_end(ptk_context_t *from, ptk_context_t *to) {
    ptk_sanitizer_ending(&from->sanitizer, &to->sanitizer);
    ptk_context_jump(&from->registers, &to->registers);
}

/* Where a *suspended* context stands, for backtraces: program counter and frame pointer. */
void ptk_context_position(const ptk_context_t *context, void **pc_out, void **frame_out);
