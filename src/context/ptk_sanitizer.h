/* SPDX-License-Identifier: MIT */
/*
 * The notes about stacks for sanitizers and Valgrind (layer 1); all of them are in this header.
 *
 *     ptk_sanitizer_leaving(from, to)   just before a switch; `from` will be switched to again
 *     ptk_sanitizer_ending(from, to)    just before a switch; `from` will never run again
 *     ptk_sanitizer_arrived(self)       first statement after a switch, on the stack that was switched to
 *
 * AddressSanitizer keeps a fake stack and the bounds of the real one per context; ThreadSanitizer keeps a
 * fiber per context. In a plain build the hooks do not evaluate their arguments and PTK_SANITIZER_MEMBER
 * declares nothing.
 */
#pragma once

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PTK_SANITIZER_ADDRESS 1
#endif
#if __has_feature(thread_sanitizer)
#define PTK_SANITIZER_THREAD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(PTK_SANITIZER_ADDRESS)
#define PTK_SANITIZER_ADDRESS 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(PTK_SANITIZER_THREAD)
#define PTK_SANITIZER_THREAD 1
#endif

/* For functions that read stack memory of other contexts. */
#define PTK_SANITIZER_BLIND __attribute__((no_sanitize("address", "thread")))

#if defined(PTK_SANITIZER_ADDRESS)

#include <sanitizer/common_interface_defs.h>

typedef struct ptk_sanitizer {
    void *fake_stack;
    const void *stack_low;
    size_t stack_bytes;
} ptk_sanitizer_t;

static inline void ptk_sanitizer_leaving(ptk_sanitizer_t *from, const ptk_sanitizer_t *to) {
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_bytes);
}

static inline void ptk_sanitizer_ending(ptk_sanitizer_t *from, const ptk_sanitizer_t *to) {
    (void) from;
    __sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_bytes);
}

static inline void ptk_sanitizer_arrived(ptk_sanitizer_t *self) {
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

#elif defined(PTK_SANITIZER_THREAD)

#include <sanitizer/tsan_interface.h>

typedef struct ptk_sanitizer {
    void *fiber;
} ptk_sanitizer_t;

static inline void ptk_sanitizer_leaving(ptk_sanitizer_t *from, const ptk_sanitizer_t *to) {
    (void) from;
    __tsan_switch_to_fiber(to->fiber, 0);
}

#define ptk_sanitizer_ending(from, to) ptk_sanitizer_leaving((from), (to))
#define ptk_sanitizer_arrived(self)    ((void) (self))

#endif

#if defined(PTK_SANITIZER_ADDRESS) || defined(PTK_SANITIZER_THREAD)

#define PTK_SANITIZER_MEMBER ptk_sanitizer_t sanitizer;

/* Initialises the record of the running context, which is on a thread's own stack. */
void ptk_sanitizer_adopt(ptk_sanitizer_t *self);

/* Initialises the record of a fresh context on [low, high), and releases it. */
void ptk_sanitizer_make(ptk_sanitizer_t *self, const void *low, const void *high);
void ptk_sanitizer_fini(ptk_sanitizer_t *self);

#else

#define PTK_SANITIZER_MEMBER
#define ptk_sanitizer_leaving(from, to)     ((void) 0)
#define ptk_sanitizer_ending(from, to)      ((void) 0)
#define ptk_sanitizer_arrived(self)         ((void) 0)
#define ptk_sanitizer_adopt(self)           ((void) 0)
#define ptk_sanitizer_make(self, low, high) ((void) 0)
#define ptk_sanitizer_fini(self)            ((void) 0)

#endif

/* Returns whether the three functions below have an effect: under a sanitizer, or if Valgrind runs this
 * process. Slow: the caller keeps the result. */
int ptk_sanitizer_watches_stacks(void);

/* Registers [low, high) as a stack with Valgrind, before the first switch to it. Returns a number for
 * ptk_sanitizer_stack_end. */
unsigned ptk_sanitizer_stack_begin(const void *low, const void *high);
void ptk_sanitizer_stack_end(unsigned number);

/* Declares that no frame is left in [low, high): AddressSanitizer removes its marks, Valgrind treats the
 * memory as uninitialised. */
void ptk_sanitizer_stack_reset(void *low, void *high);
