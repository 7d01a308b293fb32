/* SPDX-License-Identifier: MIT */
/*
 * The observer of a loop's green threads (layer 0): it is called at each of their switches, in order.
 *
 * It is a member of the thread block beside the oracle, and is complete only where there is an oracle:
 * without one most switches are made without reading the block. An observer must not call ptk.
 */
#pragma once

#include <ptk_err.h>

/* Why a green thread stops running. */
typedef enum ptk_observed {
    PTK_OBSERVED_WAIT,  /* it parks */
    PTK_OBSERVED_YIELD, /* it stays runnable */
    PTK_OBSERVED_END,   /* it has returned */
} ptk_observed_t;

/* An observer, embedded in its owner's struct. `green` is a key: it stands for one green thread until that
 * one's END, and may be reused afterwards. */
typedef struct ptk_observer {
    /* A green thread starts or continues; `code` is the result of its wait, if it waited. */
    void (*resumes)(struct ptk_observer *observer, const void *green, const char *name, ptk_err code);
    /* A green thread stops running; `what` is the kind of a WAIT: "recv", "join", ... */
    void (*suspends)(struct ptk_observer *observer, const void *green, ptk_observed_t how, const char *what);
} ptk_observer_t;
