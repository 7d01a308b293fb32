/* SPDX-License-Identifier: MIT */
/*
 * What can befall a simulated host (floor 0): the first number of a PTK_SIM_TRACE_FAULT entry.
 */
#pragma once

/* Stable, append only. */
typedef enum ptk_sim_fault {
    PTK_SIM_FAULT_CRASH = 1,      /* the host is gone; c: for how many ns, 0: for good */
    PTK_SIM_FAULT_RESTART = 2,    /* it is back, with nothing in memory */
    PTK_SIM_FAULT_PAUSE = 3,      /* it stands still; c: for how many ns */
    PTK_SIM_FAULT_RESUME = 4,     /* it goes on */
    PTK_SIM_FAULT_PARTITION = 5,  /* nothing passes between it and host b; c: for how many ns */
    PTK_SIM_FAULT_HEAL = 6,       /* and passes again */
    PTK_SIM_FAULT_CLOCK_STEP = 7, /* its clock jumps; c: by how many ns, as an int64_t */
    PTK_SIM_FAULT_NO_MEMORY = 8,  /* an allocation fails */
    PTK_SIM_FAULT_SIGNAL = 9,     /* it gets a signal; b: which */
} ptk_sim_fault_t;
