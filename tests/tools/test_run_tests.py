#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tools/run_tests.py on a ctest that is a script, and checks its summary, counts and exit code."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import run_tests  # noqa: E402

PASSED = '<testcase name="a" status="run"><system-out>fine</system-out></testcase>'
FAILED = '<testcase name="b" status="fail"><failure message="Failed"/><system-out>b.c:7: CHECK(x)\n</system-out></testcase>'
SKIPPED = ('<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
           '<system-out>skipped: no IPv6\n</system-out></testcase>')
NOT_STARTED = '<testcase name="d" status="notrun"><skipped message="Unable to find executable"/></testcase>'


class RunTests(unittest.TestCase):
    def run_with(self, cases: str, status: int = 0) -> tuple[int, list[str], str]:
        """Exit code, lines printed, counts written."""
        with tempfile.TemporaryDirectory() as folder:
            build = Path(folder)
            script = build / "ctest"
            report = f"<testsuite>{cases}</testsuite>" if cases else ""
            script.write_text(f"#!/usr/bin/env python3\nimport sys\nprint('1/9 Test #1: a ... Passed')\n"
                              f"if {bool(cases)}:\n    open(sys.argv[2], 'w').write({report!r})\nsys.exit({status})\n")
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                code = run_tests.main(["--build", folder, "--counts", str(build / "counts"), "--", sys.executable, str(script)])
            counts = (build / "counts").read_text() if (build / "counts").exists() else ""
            self.assertIn("Test #1", (build / "tests.log").read_text())
        return code, output.getvalue().splitlines(), counts

    def test_success_prints_counts_last(self) -> None:
        code, lines, counts = self.run_with(PASSED + SKIPPED + SKIPPED)
        self.assertEqual((code, lines[-1], counts), (0, "1 passed, 0 failed, 2 skipped", "1 passed, 0 failed, 2 skipped\n"))
        self.assertIn("skipped 2: no IPv6", lines)

    def test_failure_prints_its_output(self) -> None:
        code, lines, _ = self.run_with(PASSED + FAILED, 8)
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("--- failed: b", lines)
        self.assertIn("b.c:7: CHECK(x)", lines)

    def test_what_cannot_start_is_a_failure(self) -> None:
        code, lines, _ = self.run_with(PASSED + NOT_STARTED)
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_test_is_an_error(self) -> None:
        code, lines, _ = self.run_with("<properties/>")
        self.assertEqual((code, lines[-2:]), (1, ["no test ran", "0 passed, 0 failed, 0 skipped"]))

    def test_ctest_that_fails_otherwise(self) -> None:
        self.assertEqual(self.run_with(PASSED, 5)[0], 5)
        code, lines, _ = self.run_with("", 3)
        self.assertEqual((code, lines), (3, ["1/9 Test #1: a ... Passed"]))


if __name__ == "__main__":
    unittest.main()
