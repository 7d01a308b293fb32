/* SPDX-License-Identifier: MIT */
/*
 * Whether the program is linked with the guard. The linker redirects a reference to a guarded function in any
 * object, this one included: it is then the wrapper's address. Without the linker's options the wrappers are
 * not linked at all, and their weak references are NULL. A list of options that lacks a name does not link.
 */
#include "sim/run/ptk_sim_guard_list.h"
#include "sim/run/ptk_sim_run.h"

#include <stdio.h>

typedef void (*guard_fn)(void);

#define GUARD_DECLARE_WRAPPER(result, name, parameters, arguments)                                           \
    result __wrap_##name parameters __attribute__((weak));
PTK_SIM_GUARDED(GUARD_DECLARE_WRAPPER)

/* The members are volatile because a compiler may take two functions for different ones. */
typedef struct guard_reference {
    const char *name;
    volatile guard_fn called;
    volatile guard_fn wrapper;
} guard_reference_t;

#define GUARD_REFERENCE(result, name, parameters, arguments)                                                 \
    {#name, (guard_fn) name, (guard_fn) __wrap_##name},
static guard_reference_t guard_references[] = {PTK_SIM_GUARDED(GUARD_REFERENCE)};

#define GUARD_REFERENCE_COUNT (sizeof guard_references / sizeof guard_references[0])

static bool guard_is_wrapped(const guard_reference_t *reference) {
    return reference->wrapper && reference->called == reference->wrapper;
}

bool ptk_sim_is_guarded(void) {
    for (size_t i = 0; i < GUARD_REFERENCE_COUNT; i++) {
        if (!guard_is_wrapped(&guard_references[i])) {
            return false;
        }
    }
    return true;
}

void ptk_sim_warn_if_unguarded(const char *program) {
    if (ptk_sim_is_guarded()) {
        return;
    }
    fprintf(stderr,
            "%s: it is not linked with the guard of simulated hosts, so these calls of it are not caught:",
            program);
    for (size_t i = 0; i < GUARD_REFERENCE_COUNT; i++) {
        if (!guard_is_wrapped(&guard_references[i])) {
            fprintf(stderr, " %s", guard_references[i].name);
        }
    }
    fprintf(
        stderr,
        "\n"
        "A seed that depends on one cannot be replayed. Link with -Wl,@PREFIX/share/ptk/ptk_sim_wrap.txt,\n"
        "which `pkg-config --libs ptk_sim` and CMake's target ptk::sim_guarded do.\n");
}
