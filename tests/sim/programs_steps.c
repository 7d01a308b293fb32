/* SPDX-License-Identifier: MIT */
/* The kinds of steps of random programs, and how often each is drawn. */
#include "programs.h"

static void do_nothing(programs_worker_t *me, const programs_step_t *step) {
    (void) me, (void) step;
}

static void (*const kinds[])(programs_worker_t *me,
                             const programs_step_t *step) = {do_nothing,
                                                             programs_compute,
                                                             programs_compute,
                                                             programs_compute,
                                                             programs_yield,
                                                             programs_yield,
                                                             programs_sleep,
                                                             programs_sleep,
                                                             programs_wait_one,
                                                             programs_wait_one,
                                                             programs_wait_one,
                                                             programs_wait_one,
                                                             programs_wait_any,
                                                             programs_wait_any,
                                                             programs_wait_any,
                                                             programs_wait_any,
                                                             programs_wait_sock,
                                                             programs_wait_sock,
                                                             programs_signal,
                                                             programs_signal,
                                                             programs_signal,
                                                             programs_signal,
                                                             programs_signal_through_inbox,
                                                             programs_raise,
                                                             programs_abort,
                                                             programs_destroy,
                                                             programs_abort_sock,
                                                             programs_recv,
                                                             programs_recv,
                                                             programs_recv,
                                                             programs_recv,
                                                             programs_recv_some,
                                                             programs_recv_some,
                                                             programs_recv_some,
                                                             programs_send,
                                                             programs_send,
                                                             programs_send,
                                                             programs_send,
                                                             programs_send_some,
                                                             programs_send_some,
                                                             programs_open,
                                                             programs_connect,
                                                             programs_connect,
                                                             programs_accept,
                                                             programs_accept,
                                                             programs_listen,
                                                             programs_close,
                                                             programs_linger,
                                                             programs_shutdown,
                                                             programs_look_at_sock,
                                                             programs_use_pair,
                                                             programs_use_pair,
                                                             programs_spawn,
                                                             programs_join,
                                                             programs_join,
                                                             programs_end_green,
                                                             programs_cancel,
                                                             programs_cancel,
                                                             programs_detach,
                                                             programs_look_at_green,
                                                             programs_begin_shield,
                                                             programs_begin_shield,
                                                             programs_end_shield,
                                                             programs_set_local,
                                                             programs_stop,
                                                             programs_misuse,
                                                             programs_look_at_texts,
                                                             programs_live_alone,
                                                             programs_dump,
                                                             programs_go_on,
                                                             programs_connect_tcp};

size_t programs_kinds(void) {
    return sizeof kinds / sizeof kinds[0];
}

void programs_make_step(programs_worker_t *me, const programs_step_t *step) {
    kinds[step->kind](me, step);
}
