/* SPDX-License-Identifier: MIT */
/*
 * The part that all stack switches share. A context consists of its registers and of a sanitizer's record.
 * The registers are valid only while the context is suspended, so adopting the running one writes none.
 */
#include "context/ptk_context.h"

#if !defined(PTK_CONTEXT_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#error "ptk cannot switch stacks on this CPU: build with PTK_CONTEXT_UCONTEXT=1 where libc has swapcontext"
#endif

void ptk_context_adopt(ptk_context_t *context) {
    (void) context;
    ptk_sanitizer_adopt(&context->sanitizer);
}

/* The sanitizer's record comes first: ptk_context_prepare writes to the stack, which the record may declare
 * accessible. */
void ptk_context_make(ptk_context_t *context, void *stack_low, void *stack_high, void (*entry)(void *),
                      void *argument) {
    ptk_sanitizer_make(&context->sanitizer, stack_low, stack_high);
    ptk_context_prepare(&context->registers, stack_low, stack_high, entry, argument);
}

void ptk_context_fini(ptk_context_t *context) {
    (void) context;
    ptk_sanitizer_fini(&context->sanitizer);
}
