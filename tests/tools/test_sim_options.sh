#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line of programs of scenarios: what does not fit together, or is no number, is refused with 2; an
# enumeration that runs out of time says so.
set -eu
program="$PTK_BUILD_DIR/tests/ptk_broken"
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
refuses log-broken --exhaustive 1 --benign
refuses log-broken --tape "$folder/empty.tape" --benign
refuses log-broken --tape "$folder/empty.tape" --input /dev/null
refuses log-broken --exhaustive 1 --timeline
refuses log-broken abort-broken --tape "$folder/empty.tape"
refuses log-broken abort-broken --timeline
refuses log-broken --input "$folder"
refuses log-broken --exhaustive 0
refuses log-broken --jobs 0
refuses log-broken --pct 99
refuses log-broken --seeds many

"$program" abort-broken --exhaustive 20 --faults 0 --seed 1 --seconds 1 --out "$folder" >"$folder/output" 2>&1
grep -q '^time is up: not every window has been tried$' "$folder/output"

# One that finds nothing prints the commands that go on from there, and they are complete. This scenario fails for a value
# between the first and the last: one of the commands finds it.
status=0
"$program" abort-broken --exhaustive 1 --seed 1 --out "$folder" >"$folder/output" 2>&1 || status=$?
[ "$status" = 0 ]
grep -q '^nothing failed' "$folder/output"
grep -q -- '--exhaustive 2 --faults 2$' "$folder/output"
grep "$program abort-broken " "$folder/output" | sed 's/^.*[^ ]  *\(\S*ptk_broken \)/\1/' >"$folder/commands"
[ "$(wc -l <"$folder/commands")" -ge 3 ]
found=0
while read -r command; do
    status=0
    # shellcheck disable=SC2086 # it is words
    $command --seed 1 --seconds 2 --no-shrink --out "$folder" >"$folder/output" 2>&1 || status=$?
    [ "$status" = 0 ] || [ "$status" = 1 ] || { echo "not a command: $command"; exit 1; }
    grep -q 'it crashed: Aborted' "$folder/output" && found=1
done <"$folder/commands"
[ "$found" = 1 ]

# Every scenario has its row.
"$PTK_BUILD_DIR/tests/ptk_scenarios" --list | while read -r name rest; do
    grep -q "^one sim\\.$name *ptk_scenarios .* $name --seed" tests/runs.txt || { echo "tests/runs.txt has no row for $name"; exit 1; }
done
