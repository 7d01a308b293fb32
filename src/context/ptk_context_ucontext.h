/* SPDX-License-Identifier: MIT */
/*
 * The switch through swapcontext, where there is no better one (layer 1). See ptk_context.h.
 *
 * Unlike the assembly it keeps the signal mask, at the price of a system call, and on some systems the
 * floating-point control words too.
 */
#pragma once

#include "context/ptk_fp.h"
#include "context/ptk_sanitizer.h"

typedef struct ptk_context_registers {
    void *ucontext; /* ucontext_t: in the frame of the suspended switch, or at the top of a fresh stack */
} ptk_context_registers_t;

typedef struct ptk_context {
    ptk_context_registers_t registers;
    PTK_SANITIZER_MEMBER
} ptk_context_t;

void ptk_context_jump(ptk_context_registers_t *from, ptk_context_registers_t *to);
void ptk_context_prepare(ptk_context_registers_t *registers, void *stack_low, void *stack_high,
                         void (*entry)(void *), void *argument);
