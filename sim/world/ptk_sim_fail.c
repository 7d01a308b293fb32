/* SPDX-License-Identifier: MIT */
/*
 * Failures of a run. Only the first one is kept: what follows is likely its consequence. It is handed on at
 * once, because the clean-up that follows may crash or not end.
 */
#include "sim/world/ptk_sim_impl.h"

#include <stdarg.h>

void ptk_sim_trace_failure(ptk_sim_t *sim, ptk_sim_end_t end) {
    const ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    ptk_sim_trace_add_unhashed(
        &sim->net.trace, &(ptk_sim_trace_entry_t) {.at_ns = sim->net.events.now_ns,
                                                   .a = end,
                                                   .kind = PTK_SIM_TRACE_FAILURE,
                                                   .host = kernel ? kernel->node->index : PTK_SIM_NO_HOST});
}

void ptk_sim_fail(ptk_sim_t *sim, ptk_sim_end_t end, const char *format, ...) {
    if (sim->failure[0] != '\0') {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void) ptk_sys_format_list(sim->failure, sizeof sim->failure, format, arguments);
    va_end(arguments);
    sim->end = end;
    ptk_sim_trace_failure(sim, end);
    if (sim->on_failure) {
        sim->on_failure(sim->on_failure_context, sim->failure);
    }
}
