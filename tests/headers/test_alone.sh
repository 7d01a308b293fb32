#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header compiles alone, and twice: as C11, and as C++17 by the C++ compiler that belongs to the C compiler
# ($CC): cc and c++, gcc-12 and g++-12, clang-19 and clang++-19.
set -eu
cxx=$(printf '%s\n' "${CC:-cc}" | sed -E 's/gcc([^/]*)$/g++\1/; s/clang([^/]*)$/clang++\1/; s/(^|\/)cc$/\1c++/')
command -v "$cxx" >/dev/null || cxx=
failed=0

compiles() { # COMPILER LANGUAGE STANDARD HEADER
    printf '#include <%s>\n#include <%s>\nextern int unit_not_empty;\n' "$4" "$4" |
        "$1" -x "$2" -std="$3" -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Isrc -Isim - || failed=1
}
for header in src/ptk*.h sim/ptk*.h; do
    [ "$header" != src/ptk_event_source.h ] || continue # internal, although its name does not say so
    compiles "${CC:-cc}" c c11 "${header#*/}"
    [ -z "$cxx" ] || compiles "$cxx" c++ c++17 "${header#*/}"
done
[ "$failed" = 0 ] || exit 1
[ -n "$cxx" ] || { echo "skipped: no C++ compiler that belongs to ${CC:-cc}; the headers compile as C" >&2; exit 77; }
