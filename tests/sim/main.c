/* SPDX-License-Identifier: MIT */
/* The program behind `./dev sim`. docs/simulation.md says how a scenario is added: its file, its declaration
 * in scenarios.h, its row here, and its row in tests/runs.txt. */
#include "scenarios.h"

#include <string.h>

static const ptk_sim_scenario_t scenarios[] = {
    {"echo", "a server and three clients, under every fault", scenario_echo},
    {"quiet", "a network without faults, on which no call may fail without need", scenario_quiet},
    {"modbus", "a Modbus server, three hosts of clients, timeouts as short as a round trip", scenario_modbus},
    {"poller", "a hundred devices, of which some are dead, slow or restless", scenario_poller},
    {"stream", "bulk both ways, cut short by timeouts, cancels and shields", scenario_stream},
    {"waits", "every kind of wait, by green threads that interfere with each other", scenario_waits},
    {"programs", "random programs of public calls, against a reference model", scenario_programs},
    {"log", "a replicated log: a leader, two followers, two clients", scenario_log},
};

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        scenario_exhausts = scenario_exhausts || strcmp(argv[i], "--exhaustion") == 0;
    }
    return ptk_sim_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
