/* SPDX-License-Identifier: MIT */
/*
 * The switch through swapcontext(3), for ABIs without a switch in assembly (layer 1). The contract is in
 * ptk_context.h.
 *
 * Unlike the assembly it keeps the signal mask, which costs a system call per switch, and on some systems the
 * floating-point control words.
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

/* The two functions of a port; see ptk_context.h. */
void ptk_context_jump(ptk_context_registers_t *from, ptk_context_registers_t *to);
void ptk_context_prepare(ptk_context_registers_t *registers, void *stack_low, void *stack_high,
                         void (*entry)(void *), void *argument);
