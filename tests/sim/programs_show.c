/* SPDX-License-Identifier: MIT */
/* What the steps of random programs share: their arguments, and how their calls are shown. */
#include "programs.h"

#include <stdarg.h>
#include <stdio.h>

uint32_t programs_timeout(const programs_step_t *step) {
    static const uint32_t times_ms[] = {0, 1, 2, 3, 5, 10, 1000, PTK_TIMEOUT_INFINITE};
    return times_ms[step->timeout % 8];
}

uint32_t programs_short_time(const programs_step_t *step) {
    static const uint32_t times_ms[] = {1, 2, 3, 5};
    return times_ms[step->timeout % 4];
}

void programs_show(const programs_worker_t *me, const char *what, const char *result) {
    if (programs.is_shown) {
        uint64_t now_ns = ptk_sim_now_ns();
        fprintf(stdout, "%9.3f ms  worker %zu: %s%s%s\n", (double) (now_ns % 1000000000000) / 1e6, me->number,
                what, result[0] ? " -> " : "", result);
    }
}

void programs_describe(programs_worker_t *me, const char *format, ...) {
    if (programs.is_shown) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(me->text, sizeof me->text, format, arguments);
        va_end(arguments);
        programs_show(me, me->text, "");
    }
}

void programs_finish(programs_worker_t *me, ptk_err err) {
    programs_show(me, me->text, ptk_err_name(err));
    programs_end(me, err);
}

programs_sock_t *programs_sock_of(const programs_step_t *step) {
    return &programs.socks[step->object % programs.sock_count];
}

bool programs_is_usable(const programs_sock_t *sock) {
    return sock->state == SOCK_CONNECTED && !sock->is_closed;
}
