/* SPDX-License-Identifier: MIT */
/*
 * Recognition of code that runs inside a signal handler (layer 0). The system has no call for it; but it
 * blocks the signal while its handler runs, and that can be read.
 */
#include "sys/ptk_sys_handler.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static bool is_handled(int signal_number) {
    struct sigaction action;
    return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
           action.sa_handler != SIG_IGN;
}

bool ptk_sys_in_signal_handler(void) {
    int saved_errno = errno;
    sigset_t blocked;
    bool found = false;
    if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0) {
        for (int number = 1; number <= SIGRTMAX && !found; number++) {
            found = sigismember(&blocked, number) == 1 && is_handled(number);
        }
    }
    errno = saved_errno;
    return found;
}
