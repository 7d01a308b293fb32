/* SPDX-License-Identifier: MIT */
/*
 * Failures of a run. Only the first one is kept: what follows is likely its consequence.
 */
#include "sim/world/ptk_sim_impl.h"

#include <stdarg.h>

void ptk_sim_fail(ptk_sim_t *sim, ptk_sim_end_t end, const char *format, ...) {
    if (sim->failure[0] != '\0') {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void) ptk_sys_format_list(sim->failure, sizeof sim->failure, format, arguments);
    va_end(arguments);
    sim->end = end;
}
