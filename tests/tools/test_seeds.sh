#!/bin/sh
# SPDX-License-Identifier: MIT
# The conformance suite under seeds: the seeds are printed, and one that fails is printed with a command that runs it
# alone and fails in the same way.
set -eu
program="$PTK_BUILD_DIR/tests/conformance"
test=p01_partial_reads_at_every_size

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# expect TEXT CODE VARIABLES...: runs the test with these variables.
expect() {
    text=$1
    code=$2
    shift 2
    got=0
    output=$(env "$@" "$program" "$test" 2>&1) || got=$?
    [ "$got" = "$code" ] || fail "$*: exit code $got instead of $code: $output"
    case $output in
    *"$text"*) ;;
    *) fail "$*: '$text' is missing in: $output" ;;
    esac
}

expect "seeds 5 to 7" 0 PTK_TEST_SIM=epoll PTK_TEST_SIM_SEED=5 PTK_TEST_SIM_SEEDS=3
expect "" 0 PTK_TEST_SIM=sim PTK_TEST_SIM_SEED=5
expect "is not a number" 1 PTK_TEST_SIM=sim PTK_TEST_SIM_SEEDS=many

# Two runs draw two seeds.
first=$(PTK_TEST_SIM=sim PTK_TEST_SIM_SEEDS=1 "$program" "$test" 2>&1)
second=$(PTK_TEST_SIM=sim PTK_TEST_SIM_SEEDS=1 "$program" "$test" 2>&1)
[ "$first" != "$second" ] || fail "two runs have drawn the same seeds: $first"

# There is no such platform, so no seed passes.
expect "replay: PTK_TEST_SIM=none PTK_TEST_SIM_SEED=9 $program $test" 1 \
    PTK_TEST_SIM=none PTK_TEST_SIM_SEED=9 PTK_TEST_SIM_SEEDS=3
replay=$(printf '%s\n' "$output" | sed -n 's/^replay: //p')
expected=$(printf '%s\n' "$output" | sed -n 2p)
got=$(sh -c "$replay" 2>&1) && fail "the replay passes"
[ "$got" = "$expected" ] || fail "the replay says '$got' instead of '$expected'"
