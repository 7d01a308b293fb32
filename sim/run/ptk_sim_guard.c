/* SPDX-License-Identifier: MIT */
/*
 * The guard: a simulated host that uses a real clock, random source, sleep, socket, thread or fork would
 * decide by something that no seed replays.
 *
 * The linker redirects the program's calls of such functions to this file (see ptk_sim_wrap.txt).
 * Outside a host they call the C library; on a host they end the process with a backtrace. Calls inside the C
 * library are not seen.
 */
#include "base/ptk_log_impl.h"
#include "context/ptk_backtrace.h"
#include "sim/run/ptk_sim_guard_list.h"
#include "sim/world/ptk_sim_impl.h"

#define GUARD_FRAMES 32 /* of the backtrace */

/* Ends the process if a host executes. */
static void guard_refuse(const char *name) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    if (!kernel) {
        return;
    }
    const ptk_sim_host_t *host = kernel->owner;
    const void *frames[GUARD_FRAMES];
    ptk_report("%s was called on the simulated host \"%s\", where no seed can replay it", name, host->name);
    ptk_backtrace_report(frames, ptk_backtrace_here(NULL, NULL, frames, GUARD_FRAMES));
    ptk_sys_real.abort();
}

/* Defines the wrapper of one function. */
#define GUARD(result, name, parameters, arguments)                                                           \
    result __real_##name parameters;                                                                         \
    result __wrap_##name parameters;                                                                         \
    result __wrap_##name parameters {                                                                        \
        guard_refuse(#name);                                                                                 \
        return __real_##name arguments;                                                                      \
    }

PTK_SIM_GUARDED(GUARD)
