/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_diagnose.h
 * Looking into a program that runs.
 */
#pragma once

#include <ptk_event_loop_platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * From now on `signo` makes the loop print ptk_scheduler_dump(): `ptk_scheduler_dump_on_signal(loop,
 * SIGUSR1);`. A daemon green thread waits for the signal. Never parks; owner thread. INVALID_PARAM (a signal
 * that cannot be caught), NO_RESOURCES.
 */
PTK_API ptk_err ptk_scheduler_dump_on_signal(ptk_event_loop_platform_t *loop, int signo);

#ifdef __cplusplus
}
#endif
