/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer as the oracle: libFuzzer decides what the network and the hosts of the replicated log do, guided
 * by the coverage of the log's code. The log is the broken one, so the fuzzer must find a failure.
 */
#include "../scenarios.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const ptk_sim_options_t options = {.struct_size = sizeof options, .input = data, .input_bytes = bytes};
    ptk_sim_t *sim = ptk_sim_create(&options);
    if (!sim) {
        abort();
    }
    scenario_log_broken(sim);
    const char *failure = ptk_sim_report(sim).failure;
    if (failure) {
        fprintf(stderr, "%s\n", failure);
        abort();
    }
    ptk_sim_destroy(sim);
    return 0;
}
