/* SPDX-License-Identifier: MIT */
/*
 * Guards, and the probe for the method that works. Success of the system call proves nothing: an emulator may
 * accept the advice and ignore it. So the probe guards a page that was written to and has the kernel read it;
 * the guard counts as working only if that read fails. Where a sandbox denies the calls that find this out,
 * nothing can be proved; mprotect is then used without proof, because no system is known where it succeeds
 * without effect, and the log says so. The result is the same for every thread, so threads that probe at the
 * same time store the same value.
 *
 * A protected page splits a mapping in three, and the number of mappings of a process is limited
 * (vm.max_map_count). At the limit every mmap(2) of the process fails, malloc(3) included; so the last eighth
 * is left to the program. How many mappings there are is not known without counting them, which takes
 * milliseconds where there are many: they are counted when the grant is used up, and each grant is half of
 * what was left. So a process with n protected pages has counted about log(n) times.
 */
#include "context/ptk_stack_guard.h"

#include "base/ptk_assert.h"
#include "base/ptk_log_impl.h"
#include "context/ptk_sanitizer.h"
#include <errno.h>
#include <stdatomic.h>

#if defined(PTK_SANITIZER_ADDRESS) || defined(PTK_SANITIZER_THREAD) || !defined(__OPTIMIZE__)
#define STACK_DEFAULT_BYTES ((size_t) 256 * 1024)
#else
#define STACK_DEFAULT_BYTES ((size_t) 64 * 1024)
#endif

/* 0: not probed yet, else the kind plus one. */
static atomic_int stack_guard_probed;

/* 0: not computed yet. */
static atomic_size_t stack_default_bytes;

#define GUARD_MAPPINGS     2u  /* that a protected page adds */
#define GUARD_SPARE_PART   8u  /* of all mappings: left to the program */
#define GUARD_GRANT_LEAST  64u /* pages */
#define GUARD_REFUSALS_MAX 256u

/* Protected pages of the process: how many there are, up to how many may be made before the mappings are
 * counted again, and how many were refused since the last count. Threads that count at the same time may
 * grant twice as much. */
static atomic_size_t guard_protected;
static atomic_size_t guard_granted;
static atomic_uint guard_refused;

/* At least four pages, so that systems with pages of 64 KiB have usable stacks too. */
size_t ptk_stack_default_bytes(void) {
    size_t bytes = atomic_load_explicit(&stack_default_bytes, memory_order_relaxed);
    if (bytes == 0) {
        bytes = STACK_DEFAULT_BYTES;
        while (bytes < 4 * ptk_sys_real.page_bytes()) {
            bytes *= 2;
        }
        atomic_store_explicit(&stack_default_bytes, bytes, memory_order_relaxed);
    }
    return bytes;
}

/* Returns whether `guard` makes a page of `bytes` unreadable that was readable before. */
static bool stack_guard_holds(const ptk_sys_t *sys, char *page, size_t bytes,
                              int (*guard)(void *memory, size_t bytes)) {
    *(volatile char *) page = 1;
    return sys->is_readable(page) && guard(page, bytes) == 0 && !sys->is_readable(page);
}

/* Returns whether protection succeeds, for a system on which nothing can be proved. */
static bool stack_guard_seems_to_hold(const ptk_sys_t *sys, void *page, size_t bytes) {
    if (!sys->is_readable(NULL) || sys->protect_none(page, bytes) != 0) {
        return false;
    }
    ptk_log(PTK_LOG_WARNING, "process_vm_readv does not work here and no pipe can be opened: stacks are "
                             "guarded by mprotect, without proof that it works");
    return true;
}

/* Each method gets a page of its own: a page that the first one guarded could not be written to any more. */
ptk_stack_guard_t ptk_stack_probe_guard(const ptk_sys_t *sys) {
    ptk_stack_guard_t kind = PTK_STACK_GUARD_NONE;
    size_t page_bytes = sys->page_bytes();
    void *memory = NULL;
    if (sys->map_stacks(2 * page_bytes, &memory) != 0) { /* nothing to probe on: protection needs no proof */
        return PTK_STACK_GUARD_PROTECT;
    }
    if (stack_guard_holds(sys, memory, page_bytes, sys->guard_install)) {
        kind = PTK_STACK_GUARD_ADVICE;
    } else if (stack_guard_holds(sys, (char *) memory + page_bytes, page_bytes, sys->protect_none) ||
               stack_guard_seems_to_hold(sys, (char *) memory + page_bytes, page_bytes)) {
        kind = PTK_STACK_GUARD_PROTECT;
    }
    sys->unmap(memory, 2 * page_bytes);
    return kind;
}

ptk_stack_guard_t ptk_stack_guard_kind(void) {
    int known = atomic_load_explicit(&stack_guard_probed, memory_order_relaxed);
    if (known == 0) {
        known = (int) ptk_stack_probe_guard(&ptk_sys_real) + 1;
        atomic_store_explicit(&stack_guard_probed, known, memory_order_relaxed);
    }
    ptk_assert(known >= 1 && known <= (int) PTK_STACK_GUARD_NONE + 1);
    return (ptk_stack_guard_t) (known - 1);
}

/* Returns how many more pages may be protected before the mappings are counted again, 0: none at all. */
static size_t stack_guard_grant(void) {
    size_t limit;
    size_t room = ptk_sys_real.mapping_room(&limit);
    size_t spare = limit / GUARD_SPARE_PART;
    if (room == SIZE_MAX) {
        return GUARD_GRANT_LEAST; /* the system's own refusal has to do */
    }
    size_t pages = room > spare ? (room - spare) / GUARD_MAPPINGS : 0;
    return pages / 2 > GUARD_GRANT_LEAST ? pages / 2 : pages < GUARD_GRANT_LEAST ? pages : GUARD_GRANT_LEAST;
}

/* Returns whether the program has enough mappings left for one more protected page. After a refusal the next
 * ones are refused without a count, until pages are unmapped. */
static bool stack_guard_has_room(void) {
    size_t made = atomic_load(&guard_protected);
    if (made < atomic_load(&guard_granted)) {
        return true;
    }
    if (atomic_load(&guard_refused) % GUARD_REFUSALS_MAX != 0) {
        atomic_fetch_add(&guard_refused, 1);
        return false;
    }
    size_t grant = stack_guard_grant();
    atomic_store(&guard_granted, made + grant);
    atomic_store(&guard_refused, grant > 0 ? 0 : 1);
    return grant > 0;
}

void ptk_stack_guard_forget(size_t protected_count) {
    if (protected_count > 0) {
        atomic_fetch_sub(&guard_protected, protected_count);
        atomic_store(&guard_refused, 0);
    }
}

/* The advice may fail later although the probe succeeded, for memory that was locked since. */
int ptk_stack_guard_page(ptk_stack_guard_t kind, void *memory, size_t bytes, size_t *protected_count) {
    if (kind == PTK_STACK_GUARD_NONE) {
        return -ENOMEM;
    }
    if (kind == PTK_STACK_GUARD_ADVICE && ptk_sys_real.guard_install(memory, bytes) == 0) {
        return 0;
    }
    int result = stack_guard_has_room() ? ptk_sys_real.protect_none(memory, bytes) : -ENOMEM;
    if (result == 0) {
        atomic_fetch_add(&guard_protected, 1);
        (*protected_count)++;
    }
    return result;
}
