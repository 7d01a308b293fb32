/* SPDX-License-Identifier: MIT */
/*
 * How a run failed, in words. The first failure stands first; a crash or a hang behind it is likely its
 * consequence.
 */
#include "sim/run/ptk_sim_run.h"

#include <signal.h>
#include <string.h>

void ptk_sim_describe_verdict(const ptk_sim_verdict_t *verdict, char *text_out, size_t bytes) {
    bool has_failed = verdict->failure[0] != '\0';
    char end[64] = "";
    if (verdict->signal == SIGALRM) {
        snprintf(end, sizeof end, "%s", has_failed ? "did not end" : "hangs");
    } else if (verdict->signal != 0) {
        snprintf(end, sizeof end, "crashed: %s", strsignal(verdict->signal));
    }
    snprintf(text_out, bytes, "%s%s%s", verdict->failure,
             end[0] == '\0' ? ""
             : has_failed   ? "; then it "
                            : "it ",
             end);
}
