/* SPDX-License-Identifier: MIT */
/* A program that must fail: the replicated log with its planted bug, for the guide and for a test of the
 * runner. */
#include "../scenarios.h"

static const ptk_sim_scenario_t scenarios[] = {
    {"log-planted", "the replicated log, whose disks are synced too seldom", scenario_log_planted},
};

int main(int argc, char **argv) {
    return ptk_sim_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
