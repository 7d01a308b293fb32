/* SPDX-License-Identifier: MIT */
/* Recognition of code that runs inside a signal handler (layer 0, internal). */
#pragma once

#include <stdbool.h>

/* Returns whether the calling code runs inside a signal handler: whether this thread blocks a signal that the
 * process handles with a function. A thread that blocks such a signal at all times is taken for one inside a
 * handler, and a handler that blocks no signal (SA_NODEFER) is not found. Async-signal-safe; a system call,
 * and more where signals are blocked, so it is for paths that are taken seldom. */
bool ptk_sys_in_signal_handler(void);
