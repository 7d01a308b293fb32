/* SPDX-License-Identifier: MIT */
/*
 * Guards, and whether they hold. An answer of success proves nothing: an emulator may accept the advice and
 * ignore it. So the probe guards a page that has been written to and then has the kernel read it; only a
 * kernel that refuses is believed. The result is the same for every thread, so threads that probe at once do
 * no harm.
 */
#include "context/ptk_stack_arena.h"

#include "context/ptk_sanitizer.h"
#include <errno.h>

#if defined(PTK_SANITIZER_ADDRESS) || defined(PTK_SANITIZER_THREAD) || !defined(__OPTIMIZE__)
#define DEFAULT_BYTES ((size_t) 256 * 1024)
#else
#define DEFAULT_BYTES ((size_t) 64 * 1024)
#endif

/* 0: not probed yet, else the kind plus one. */
static atomic_int probed;

/* 0: not asked yet. */
static atomic_size_t default_bytes;

size_t ptk_stack_default_bytes(void) {
    size_t bytes = atomic_load_explicit(&default_bytes, memory_order_relaxed);
    if (bytes == 0) {
        bytes = DEFAULT_BYTES;
        while (bytes < 4 * ptk_sys_real.page_bytes()) {
            bytes *= 2;
        }
        atomic_store_explicit(&default_bytes, bytes, memory_order_relaxed);
    }
    return bytes;
}

static bool holds(const ptk_sys_t *sys, char *page, size_t bytes, int (*guard)(void *memory, size_t bytes)) {
    *(volatile char *) page = 1;
    return sys->is_readable(page) && guard(page, bytes) == 0 && !sys->is_readable(page);
}

ptk_stack_guard_t ptk_stack_probe_guard(const ptk_sys_t *sys) {
    ptk_stack_guard_t kind = PTK_STACK_GUARD_NONE;
    size_t page_bytes = sys->page_bytes();
    void *memory = NULL;
    if (sys->map_stacks(2 * page_bytes, &memory) != 0) {
        return PTK_STACK_GUARD_PROTECT;
    }
    if (holds(sys, memory, page_bytes, sys->guard_install)) {
        kind = PTK_STACK_GUARD_ADVICE;
    } else if (holds(sys, (char *) memory + page_bytes, page_bytes, sys->protect_none)) {
        kind = PTK_STACK_GUARD_PROTECT;
    }
    sys->unmap(memory, 2 * page_bytes);
    return kind;
}

ptk_stack_guard_t ptk_stack_guard_kind(void) {
    int known = atomic_load_explicit(&probed, memory_order_relaxed);
    if (known == 0) {
        known = (int) ptk_stack_probe_guard(&ptk_sys_real) + 1;
        atomic_store_explicit(&probed, known, memory_order_relaxed);
    }
    return (ptk_stack_guard_t) (known - 1);
}

int ptk_stack_guard_page(ptk_stack_guard_t kind, void *memory, size_t bytes) {
    if (kind == PTK_STACK_GUARD_NONE) {
        return -ENOMEM;
    }
    if (kind == PTK_STACK_GUARD_ADVICE && ptk_sys_real.guard_install(memory, bytes) == 0) {
        return 0;
    }
    return ptk_sys_real.protect_none(memory, bytes);
}
