#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two programs that only pretend to measure with tools/bench_pairs.py."""

import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import bench_pairs  # noqa: E402

PROGRAM = """#!/bin/sh
echo "{name} $*" >>"$(dirname "$0")/log"
[ "$1 $2 $3 $4" = "--quick --rounds 1 --json" ] || exit 2
printf '{{"figures": [%s]}}' '{figures}' >"$5"
"""
FIGURE = '{{"bench": "{}", "metric": "{}", "ptk": {}}}'


class BenchPairsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def program(self, name: str, *figures: str) -> str:
        path = self.root / name
        path.write_text(PROGRAM.format(name=name, figures=", ".join(figures)))
        path.chmod(0o755)
        return str(path)

    def compare(self, *arguments: str) -> tuple[int, list[str]]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = bench_pairs.main(list(arguments))
        return code, output.getvalue().splitlines()

    def test_the_ratio_is_of_the_first_to_the_second(self) -> None:
        code, lines = self.compare("--rounds", "4", self.program("a", FIGURE.format("yield-2", "", 6), FIGURE.format("echo", "p99", 10)),
                                   self.program("b", FIGURE.format("yield-2", "", 4), FIGURE.format("echo", "p99", 20)), "yield-2", "echo")
        self.assertEqual(code, 0)
        self.assertEqual(lines[1].split(), ["echo", "p99", "10.000", "20.000", "0.500", "0.500", "0.500"])
        self.assertEqual(lines[2].split(), ["yield-2", "6.000", "4.000", "1.500", "1.500", "1.500"])

    def test_the_programs_run_in_turn_and_take_turns_in_being_first(self) -> None:
        figure = FIGURE.format("yield-2", "", 6)
        self.compare("--rounds", "3", self.program("a", figure), self.program("b", figure), "yield-2")
        self.assertEqual([line[0] for line in (self.root / "log").read_text().splitlines()], list("abbaab"))

    def test_no_common_figure_is_an_error(self) -> None:
        code, lines = self.compare(self.program("a", FIGURE.format("x", "", 6)), self.program("b", FIGURE.format("y", "", 6)), "x")
        self.assertEqual((code, lines), (1, ["bench_pairs: no figure was measured by both programs"]))

    def test_a_program_that_fails_is_an_error(self) -> None:
        with self.assertRaises(subprocess.CalledProcessError):
            self.compare("false", "false", "x")


if __name__ == "__main__":
    unittest.main()
