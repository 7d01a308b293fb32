#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which test covers which pitfall: writes docs/pitfalls.md from the tests' names, or checks that it is up to date.

A test that covers pitfall 7 is called TEST(p07_...). A pitfall that no test of its own can cover names the step that does.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PITFALLS: dict[int, str] = {
    1: "Edge-triggered: left-over data is never notified again",
    2: "An edge lands between EAGAIN and the park",
    3: "A stale event in the same batch after close and descriptor reuse",
    4: "dup or fork keeps the description registered",
    5: "Close while another green thread waits",
    6: "Two waiters, one direction, the wrong one wakes",
    7: "Descriptor and timer both resume one wait",
    8: "Error or hang-up while nothing was asked: the loop spins",
    9: "Half-close taken as close, pending data lost",
    10: "EAGAIN after readiness",
    11: "EINTR",
    12: "False success of a connect",
    13: "A failed connect shows error or hang-up only",
    14: "No descriptors left: accept spins",
    15: "ECONNABORTED and pending network errors kill the listener",
    16: "SIGPIPE kills the process",
    18: "A timeout is cut, negative, or wraps",
    19: "A timer fires early, late, or hides a deadline",
    20: "The poller returns early, or a short wait rounds to 0: busy loop",
    23: "Timeout against readiness: lost data or deadlock",
    24: "Partial send, then timeout: the caller cannot resume",
    36: "errno or thread-local state cached across a switch",
    37: "Floating-point control words or callee-saved registers lost",
    39: "The unwinder runs past the entry",
    41: "_FORTIFY_SOURCE aborts a switch",
    42: "A stack overflow is silent or anonymous",
    43: "A large frame jumps the guard",
    44: "Sanitizers and Valgrind are confused by switches",
    45: "A loop is destroyed with living green threads",
    46: "A cancel drops a value that was received",
    47: "An always-ready socket starves the rest",
    50: "A wake from another thread is lost",
    51: "The deadlock report is a false alarm",
    52: "fork",
    53: "Signals coalesce",
    59: "A short read does not mean drained: urgent bytes",
    60: "A foreign descriptor's owner leaves data behind or reopens the number",
    61: "A cancel is consumed once, then the clean-up waits for ever",
    62: "An inherited deadline reported as TIMEOUT makes retry loops spin",
    63: "A signal through a pointer to a destroyed object",
    64: "Guard advice returns success and guards nothing",
}
ELSEWHERE = {44: "all suites under ASan+UBSan and TSan, unit tests under Valgrind: `./dev ci`"}
SHOWN = 4
TARGET = "docs/pitfalls.md"


def tests_by_pitfall(root: Path) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for path in sorted((root / "tests").rglob("*.c")):
        for name in re.findall(r"^TEST\((\w+)[,)]", path.read_text(), re.M):
            if match := re.match(r"p(\d\d)_", name):
                found.setdefault(int(match[1]), []).append((str(path.relative_to(root)), name))
    return found


def row(number: int, text: str, tests: list[tuple[str, str]]) -> str:
    named = [f"`{name}` ({path})" for path, name in tests[:SHOWN]]
    if len(tests) > SHOWN:
        named.append(f"and {len(tests) - SHOWN} more that begin with `p{number:02}_`")
    return f"| P{number:02} | {text} | {'; '.join(named) or ELSEWHERE[number]} |"


def page(found: dict[int, list[tuple[str, str]]]) -> str:
    lines = [
        "# Pitfalls and the tests that rule them out",
        "",
        "Each row is a bug that a well-known library of this kind really shipped. A test that covers one begins with its",
        "number. Written by `tools/pitfalls.py`; a test keeps it true.",
        "",
        "| # | What goes wrong | Tests |",
        "|---|---|---|",
    ]
    lines += [row(number, text, found.get(number, [])) for number, text in PITFALLS.items()]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parent.parent
    found = tests_by_pitfall(root)
    missing = [number for number in PITFALLS if number not in found and number not in ELSEWHERE]
    for number in missing:
        print(f"pitfalls: no test begins with p{number:02}_: {PITFALLS[number]}")
    if missing:
        return 1
    target = root / TARGET
    if "--check" not in arguments:
        target.write_text(page(found))
    elif not target.exists() or target.read_text() != page(found):
        print(f"pitfalls: {TARGET} is out of date: run tools/pitfalls.py")
        return 1
    print(f"pitfalls: {len(PITFALLS)} rows, {sum(map(len, found.values()))} tests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
