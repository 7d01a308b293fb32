/* SPDX-License-Identifier: MIT */
/*
 * What is the same for every way of switching. A context is its registers and what a sanitizer wants to know
 * of it; the registers of the context that runs are meaningless until it leaves, so adopting one writes none.
 */
#include "context/ptk_context.h"

#if !defined(PTK_CONTEXT_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#error "ptk cannot switch stacks on this CPU: build with PTK_CONTEXT_UCONTEXT=1 where libc has swapcontext"
#endif

void ptk_context_adopt(ptk_context_t *context) {
    (void) context;
    ptk_sanitizer_adopt(&context->sanitizer);
}

void ptk_context_make(ptk_context_t *context, void *stack_low, void *stack_high, void (*entry)(void *),
                      void *argument) {
    ptk_sanitizer_make(&context->sanitizer, stack_low, stack_high);
    ptk_context_prepare(&context->registers, stack_low, stack_high, entry, argument);
}

void ptk_context_fini(ptk_context_t *context) {
    (void) context;
    ptk_sanitizer_fini(&context->sanitizer);
}
