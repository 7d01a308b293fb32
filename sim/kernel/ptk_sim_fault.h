/* SPDX-License-Identifier: MIT */
/*
 * Faults of a simulated host: the first number of a PTK_SIM_TRACE_FAULT entry.
 */
#pragma once

/* The values are part of the trace: stable, append only. */
typedef enum ptk_sim_fault {
    PTK_SIM_FAULT_CRASH = 1,      /* network gone, memory gone */
    PTK_SIM_FAULT_RESTART = 2,    /* its main runs again, with nothing in memory */
    PTK_SIM_FAULT_PAUSE = 3,      /* it executes no step */
    PTK_SIM_FAULT_RESUME = 4,     /* the end of a pause */
    PTK_SIM_FAULT_PARTITION = 5,  /* b: the host that its packets no longer reach */
    PTK_SIM_FAULT_HEAL = 6,       /* b: the host that they reach again */
    PTK_SIM_FAULT_CLOCK_STEP = 7, /* its clock jumps or drifts from now on */
    PTK_SIM_FAULT_NO_MEMORY = 8, /* an allocation beyond its limit failed; b: the bytes it would have taken */
    PTK_SIM_FAULT_SIGNAL = 9     /* b: the signal's number */
} ptk_sim_fault_t;
