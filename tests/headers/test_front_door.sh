#!/bin/sh
# SPDX-License-Identifier: MIT
# C++17 programs on the C library, where that needs no flags of its own to link: the front door, and exceptions (p70).
set -eu
cache="$PTK_BUILD_DIR/CMakeCache.txt"
cxx=$(printf '%s\n' "${CC:-cc}" | sed -E 's/gcc([^/]*)$/g++\1/; s/clang([^/]*)$/clang++\1/; s/(^|\/)cc$/\1c++/')

skip() {
    echo "skipped: $1" >&2
    exit 77
}
command -v "$cxx" >/dev/null || skip "no C++ compiler that belongs to ${CC:-cc}"
if grep -qE '^(PTK_SANITIZE:[A-Z]+=.|CMAKE_BUILD_TYPE:[A-Z]+=Coverage|CMAKE_INTERPROCEDURAL_OPTIMIZATION:[A-Z]+=ON)' "$cache"; then
    skip "this build's library needs flags of its own to link"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for program in front_door exceptions; do
    "$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Werror -Isrc "tests/headers/$program.cc" "$PTK_BUILD_DIR/libptk.a" -pthread \
        -o "$folder/$program"
    "$folder/$program" || { echo "$program.cc: check $? failed" >&2; exit 1; }
done
