/* SPDX-License-Identifier: MIT */
/*
 * The start of a fresh context. The stack holds entry and argument. Frame pointer and link register are zero
 * and the return address is undefined for the unwinder, so that every kind of stack walk ends here. An entry
 * must not return; one that does traps.
 */
#include "context/ptk_context.h"

_Static_assert(sizeof(ptk_context_registers_t) == 24, "the assembly uses these offsets");

__asm__(".pushsection .text\n"
        ".balign 16\n"
        ".globl ptk_context_start\n"
        ".hidden ptk_context_start\n"
        ".type ptk_context_start, %function\n"
        "ptk_context_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    hint #38\n" /* bti jc */
        "    ldp x1, x0, [sp], #16\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    blr x1\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size ptk_context_start, .-ptk_context_start\n"
        ".popsection\n");

/* A suspended context's registers are its whole resume point. */
void ptk_context_position(const ptk_context_t *context, void **pc_out, void **frame_out) {
    *pc_out = context->registers.program;
    *frame_out = context->registers.frame;
}
