/* SPDX-License-Identifier: MIT */
/*
 * The calls that are not part of a switch. AddressSanitizer returns the bounds of a thread's own stack only
 * when that stack is left, so adopting one makes two switches to the same place: the first returns the
 * bounds, the second restores them. Valgrind needs every stack registered, or it takes a switch for a huge
 * frame. Its requests are compiled in where its header exists, and are a few instructions without effect
 * outside of Valgrind.
 */
#include "context/ptk_sanitizer.h"

#if defined(PTK_SANITIZER_ADDRESS)
#include <sanitizer/asan_interface.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define PTK_SANITIZER_VALGRIND 1
#endif
#endif

#if defined(PTK_SANITIZER_ADDRESS)

__attribute__((noinline, no_sanitize("address"))) void ptk_sanitizer_adopt(ptk_sanitizer_t *self) {
    char here[16] = {0};
    const void *nowhere = NULL;
    size_t nothing = 0;
    __sanitizer_start_switch_fiber(&self->fake_stack, here, sizeof here);
    __sanitizer_finish_switch_fiber(self->fake_stack, &self->stack_low, &self->stack_bytes);
    __sanitizer_start_switch_fiber(&self->fake_stack, self->stack_low, self->stack_bytes);
    __sanitizer_finish_switch_fiber(self->fake_stack, &nowhere, &nothing);
}

void ptk_sanitizer_make(ptk_sanitizer_t *self, const void *low, const void *high) {
    self->fake_stack = NULL;
    self->stack_low = low;
    self->stack_bytes = (size_t) ((const char *) high - (const char *) low);
}

void ptk_sanitizer_fini(ptk_sanitizer_t *self) {
    (void) self;
}

#elif defined(PTK_SANITIZER_THREAD)

void ptk_sanitizer_adopt(ptk_sanitizer_t *self) {
    self->fiber = __tsan_get_current_fiber();
}

void ptk_sanitizer_make(ptk_sanitizer_t *self, const void *low, const void *high) {
    (void) low;
    (void) high;
    self->fiber = __tsan_create_fiber(0);
}

void ptk_sanitizer_fini(ptk_sanitizer_t *self) {
    __tsan_destroy_fiber(self->fiber);
    self->fiber = NULL;
}

#endif

int ptk_sanitizer_watches_stacks(void) {
#if defined(PTK_SANITIZER_ADDRESS) || defined(PTK_SANITIZER_THREAD)
    return 1;
#elif defined(PTK_SANITIZER_VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return 0;
#endif
}

unsigned ptk_sanitizer_stack_begin(const void *low, const void *high) {
#if defined(PTK_SANITIZER_VALGRIND)
    return VALGRIND_STACK_REGISTER(low, (const char *) high - 1);
#else
    (void) low;
    (void) high;
    return 0;
#endif
}

void ptk_sanitizer_stack_end(unsigned number) {
    (void) number;
#if defined(PTK_SANITIZER_VALGRIND)
    VALGRIND_STACK_DEREGISTER(number);
#endif
}

void ptk_sanitizer_stack_reset(void *low, void *high) {
    size_t bytes = (size_t) ((char *) high - (char *) low);
    (void) bytes;
#if defined(PTK_SANITIZER_ADDRESS)
    __asan_unpoison_memory_region(low, bytes);
#endif
#if defined(PTK_SANITIZER_VALGRIND)
    (void) VALGRIND_MAKE_MEM_UNDEFINED(low, bytes);
#endif
}
