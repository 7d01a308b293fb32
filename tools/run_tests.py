#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs ctest and prints a progress line and a summary: failures with their output, skips by reason, and the counts."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ENDED = re.compile(r"^ *(\d+)/(\d+) Test +#\d+: (\S+) .*?(Passed|\*\*\*\S*)")


@dataclass
class Summary:
    """What became of the tests; a test that CTest could not start is a failure."""

    passed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)  # name, output
    skips: Counter[str] = field(default_factory=Counter)  # reason

    def counts(self) -> str:
        return f"{self.passed} passed, {len(self.failures)} failed, {sum(self.skips.values())} skipped"


def reason_of(output: str) -> str:
    match = re.search(r"^skipped: (.*)$", output, re.MULTILINE)
    return match[1] if match else "no reason given"


def summary_of(report: Path) -> Summary:
    summary = Summary()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        skipped = case.find("skipped")
        if case.get("status") == "run":
            summary.passed += 1
        elif skipped is not None and skipped.get("message", "").startswith("SKIP_RETURN_CODE"):
            summary.skips[reason_of(output)] += 1
        else:
            summary.failures.append((case.get("name", "?"), output))
    return summary


def run(command: list[str], log: Path, progress: bool) -> int:
    """Runs the command with its output in the log; on a terminal it updates the progress line after each test."""
    failed = 0
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace")
    assert process.stdout is not None
    with log.open("w") as copy:
        for line in process.stdout:
            copy.write(line)
            match = ENDED.match(line)
            if match and progress:
                failed += match[4] not in ("Passed", "***Skipped")
                print(f"\r\033[K{match[1]} of {match[2]} tests, {failed} failed: {match[3]}"[:110], end="", flush=True)
    if progress:
        print("\r\033[K", end="")
    return process.wait()


def print_summary(summary: Summary, log: Path) -> None:
    for name, output in summary.failures:
        print(f"--- failed: {name}\n{output.rstrip()}")
    for reason, count in sorted(summary.skips.items()):
        print(f"skipped {count}: {reason}")
    for name, _ in summary.failures:
        print(f"failed: {name}")
    print(f"The whole output: {log}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="the build directory, for tests.log and tests.xml")
    parser.add_argument("--counts", type=Path, help="a file to which the counts are appended")
    parser.add_argument("command", nargs="+", help="ctest and its arguments, after --")
    options = parser.parse_args(arguments)
    report, log = (options.build / "tests.xml").resolve(), options.build / "tests.log"
    report.unlink(missing_ok=True)
    status = run([*options.command, "--output-junit", str(report)], log, sys.stdout.isatty())
    if not report.exists():
        sys.stdout.write(log.read_text(errors="replace"))
        return status or 1
    summary = summary_of(report)
    print_summary(summary, log)
    if options.counts:
        with options.counts.open("a") as counts:
            counts.write(f"{summary.counts()}\n")
    if not summary.passed and not summary.failures and not summary.skips:
        print("no test ran")
        status = 1
    print(summary.counts())
    return 1 if summary.failures else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
