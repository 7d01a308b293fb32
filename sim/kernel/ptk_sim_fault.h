/* SPDX-License-Identifier: MIT */
/*
 * What can befall a simulated host (layer 0): the first number of a PTK_SIM_TRACE_FAULT entry.
 */
#pragma once

/* Stable, append only. */
typedef enum ptk_sim_fault {
    PTK_SIM_FAULT_CRASH = 1,
    PTK_SIM_FAULT_RESTART = 2, /* with nothing in memory */
    PTK_SIM_FAULT_PAUSE = 3,   /* it stands still */
    PTK_SIM_FAULT_RESUME = 4,
    PTK_SIM_FAULT_PARTITION = 5, /* b: the host that its packets no longer reach */
    PTK_SIM_FAULT_HEAL = 6,      /* b: the host that they reach again */
    PTK_SIM_FAULT_CLOCK_STEP = 7,
    PTK_SIM_FAULT_NO_MEMORY = 8, /* over its limit; b: the bytes that it wanted */
    PTK_SIM_FAULT_SIGNAL = 9
} ptk_sim_fault_t;
