#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line of programs of scenarios: what does not fit together, or is no number, is refused with 2; an
# enumeration that runs out of time says so.
set -eu
program="$PTK_BUILD_DIR/tests/ptk_planted"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf 'ptk-tape 1\n' >"$folder/empty.tape"

refuses() {
    status=0
    "$program" "$@" --out "$folder" >"$folder/output" 2>&1 || status=$?
    if [ "$status" != 2 ] || [ ! -s "$folder/output" ]; then
        echo "not refused, but $status: $*"
        exit 1
    fi
}
refuses log-planted --exhaustive 1 --benign
refuses log-planted --tape "$folder/empty.tape" --benign
refuses log-planted --tape "$folder/empty.tape" --input /dev/null
refuses log-planted --exhaustive 1 --timeline
refuses log-planted abort-planted --tape "$folder/empty.tape"
refuses log-planted abort-planted --timeline
refuses log-planted --input "$folder"
refuses log-planted --exhaustive 0
refuses log-planted --jobs 0
refuses log-planted --pct 99
refuses log-planted --seeds many

"$program" abort-planted --exhaustive 20 --faults 0 --seed 1 --seconds 1 --out "$folder" >"$folder/output" 2>&1
grep -q '^time is up: not every window has been tried$' "$folder/output"

# Every scenario has its row.
"$PTK_BUILD_DIR/tests/ptk_scenarios" --list | while read -r name rest; do
    grep -q "^one sim\\.$name *ptk_scenarios .* $name --seed" tests/runs.txt || { echo "tests/runs.txt has no row for $name"; exit 1; }
done
