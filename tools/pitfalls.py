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
    8: "Error or hang-up while no events are requested: the loop spins",
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
    54: "Use on the wrong thread corrupts silently",
    55: "Leaks on error paths",
    57: "The scope of an IPv6 address is dropped",
    59: "A short read does not mean drained: urgent bytes",
    60: "A foreign descriptor's owner leaves data behind or reopens the number",
    61: "A cancel is consumed once, then the clean-up waits for ever",
    62: "An inherited deadline reported as TIMEOUT makes retry loops spin",
    63: "A signal through a pointer to a destroyed object",
    64: "Guard advice returns success and guards nothing",
}
# Found later, by programs of others and by faults that were injected: a row appears when a test names the number.
LATER: dict[int, str] = {
    65: "A yield lets no I/O or timer in: the clock is read by count, not by cost",
    66: "A cancelled loop spins and delays its neighbours, stop and destroy",
    67: "A wait record's address outlives the failed wait that owned it",
    68: "Waking all waiters continues from a record that the wake unlinked",
    69: "A wait for READ or WRITE watches neither while it queues for one",
    70: "Exceptions of C++ swap between green threads",
    71: "A filter returns EPERM instead of ENOSYS",
    72: "A log line goes into a connection, ends the process by SIGPIPE, or stops the loop",
    73: "A daemon's dup2 over 0 to 2 replaces the loop's own descriptor",
    74: "A forked child keeps ports and connections open",
    75: "A server restarts on a random port because bind failed and listen succeeded",
    76: "close discards what was sent when input is unread",
    77: "Signal handlers of others are lost; two copies of the library compete",
    78: "A blocked signal makes a waitable deaf; the report of an overflow is lost",
    79: "Memory of a peak is never returned",
    80: "mlockall: one green thread locks an arena; EAGAIN is not ENOMEM",
    81: "dlclose leaves a handler in unmapped code",
    82: "An OS thread ends and its loop lives on without events",
    83: "TCP connects to itself",
    84: "A stale handle reaches its successor",
    85: "Join as clean-up returns CANCELED and the child outlives its data",
    86: "A try sends half a frame",
    87: "Large stacks, the deadlock check and waitables of one descriptor cost O(n) each",
    88: "In a simulator a crash while unwinding hides the failed check",
    89: "A cancel during the yield for the budget is lost, or the object is not looked at again",
    90: "An event counter is taken for a semaphore: waiters stay parked",
    91: "A deadline armed outside poll shows neither on the loop's descriptor nor in next_ms",
    92: "An edge-triggered embedder loses what exceeds one batch",
    93: "A foreign library ends a suspended coroutine by its own cancellation",
    94: "One of two SO_REUSEPORT listeners closes: the connections in its queue are reset",
    95: "A write after POLLOUT blocks the loop",
    96: "A function that runs on after its caller's timeout writes into the caller's stack",
    97: "The key of a request that timed out is reused while its reply is under way",
    98: "A reply leaves from another address than the request was sent to",
    99: "Lazy timers expire ties out of order, or refer to freed memory",
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
        "Each row is a bug that a library of this kind really had. The name of a test that covers one begins with its",
        "number. `tools/pitfalls.py` writes this page; a test compares it with the tests.",
        "",
        "| # | What goes wrong | Tests |",
        "|---|---|---|",
    ]
    rows = PITFALLS | {number: text for number, text in LATER.items() if number in found}
    lines += [row(number, text, found.get(number, [])) for number, text in rows.items()]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parent.parent
    found = tests_by_pitfall(root)
    missing = [number for number in PITFALLS if number not in found and number not in ELSEWHERE]
    for number in missing:
        print(f"pitfalls: no test begins with p{number:02}_: {PITFALLS[number]}")
    unknown = [number for number in sorted(found) if number not in PITFALLS and number not in LATER]
    for number in unknown:
        print(f"pitfalls: {found[number][0][1]} ({found[number][0][0]}): there is no pitfall {number}; give it a title here")
    if missing or unknown:
        return 1
    target = root / TARGET
    if "--check" not in arguments:
        target.write_text(page(found))
    elif not target.exists() or target.read_text() != page(found):
        print(f"pitfalls: {TARGET} is out of date: run tools/pitfalls.py")
        return 1
    print(f"pitfalls: {page(found).count('| P')} rows, {sum(map(len, found.values()))} tests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
