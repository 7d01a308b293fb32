#!/bin/sh
# SPDX-License-Identifier: MIT
# A fuzzer finds the bug of sim.broken, and what it found is replayed. Only where the compiler has a fuzzer.
set -eu
tests="$PTK_BUILD_DIR/tests"
finding="$PTK_BUILD_DIR/fuzz_log.finding"
[ -x "$tests/ptk_fuzz_log" ] || { echo "skipped: this compiler has no fuzzer (clang has)" >&2; exit 77; }

# output_matches PATTERN COMMAND...: whatever the exit status, all lines of the output, joined, match the pattern.
output_matches() {
    pattern=$1
    shift
    output=$("$@" 2>&1) || true
    printf '%s' "$output" | tr '\n' ' ' | grep -qE "$pattern" || { printf '%s\n' "$output"; exit 1; }
}
rm -f "$finding"
output_matches 'tests/sim/scenario_log.c:[0-9]+: ' \
    "$tests/ptk_fuzz_log" -seed=1 -runs=100000 -max_len=4096 -len_control=0 -error_exitcode=1 "-exact_artifact_path=$finding"
output_matches 'decided by .*: tests/sim/scenario_log.c:[0-9]+: .*shrunk: .*timeline: ' \
    "$tests/ptk_broken" log-broken --input "$finding" --out "$PTK_BUILD_DIR"
