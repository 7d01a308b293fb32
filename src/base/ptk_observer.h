/* SPDX-License-Identifier: MIT */
/*
 * Who watches the green threads of a loop (layer 0): told what each does, in the order in which they do it.
 *
 * It hangs in the thread block beside the oracle, and is only told of everything where there is one: without
 * an oracle most switches are made without a look at anything. It may not call ptk.
 */
#pragma once

#include <ptk_err.h>

typedef enum ptk_observed {
    PTK_OBSERVED_WAIT,  /* it parks */
    PTK_OBSERVED_YIELD, /* it stays runnable */
    PTK_OBSERVED_END,
} ptk_observed_t;

/* An observer: embed it. `green` is a key: the same until its END, and then perhaps another one's. */
typedef struct ptk_observer {
    /* `code` is what its wait came to, if it waited. */
    void (*goes_on)(struct ptk_observer *observer, const void *green, const char *name, ptk_err code);
    /* `what` a WAIT is for: "recv", "join", ... */
    void (*leaves)(struct ptk_observer *observer, const void *green, ptk_observed_t how, const char *what);
} ptk_observer_t;
