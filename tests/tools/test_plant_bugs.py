#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants bugs in a small tree with tools/plant_bugs.py, and sees it refuse entries that do not fit."""

import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import plant_bugs  # noqa: E402

SOURCE = """\
#include <stdio.h>

int ptk_take(int count);

static int add(int a,
               int b) {
    int sum = a + b;
    return sum;
}

int ptk_take(int count) {
    int sum = add(count, 1);
    if (count > 2) {
        return 0;
    }
    if (count < 0) {
        return 0;
    }
    return sum;
}

int main(int argc, char **argv) {
    (void) argv;
    printf("%d\\n", ptk_take(argc));
}
"""
FIRST = """\
# A comment.
bug 7: it takes one too many
found by: quiet, 10 seeds
in: src/ptk_take.c, add
replace: return sum;
write: return sum + (PTK_BUG(7) ? 1 : 0);

"""
SECOND = """\
bug 12: it takes nothing
found by: waits --exhaustion, 200 seeds
in: src/ptk_take.c, ptk_take
before: if (count > 2) {
write: if (PTK_BUG(12)) {
write:     return 0;
write: }
in: src/ptk_take.c, ptk_take
after: int sum = add(count, 1);
write: sum = PTK_BUG(12) ? 0 : sum;
"""


class PlantBugsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.out = self.root / "out"
        (self.root / "src/base").mkdir(parents=True)
        (self.root / "sim").mkdir()
        (self.root / "src/ptk_take.c").write_text(SOURCE)
        (self.root / "sim/ptk_sim.h").write_text("/* untouched */\n")

    def plant(self, bugs: str) -> tuple[int, str]:
        """Runs the tool with these entries: exit code and output."""
        path = self.root / "bugs.txt"
        path.write_text(bugs)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = plant_bugs.main(["--root", str(self.root), "--bugs", str(path), "--out", str(self.out)])
        return code, output.getvalue()

    def assert_refused(self, bugs: str, *expected: str) -> None:
        code, output = self.plant(bugs)
        self.assertEqual(code, 1, output)
        for text in expected:
            self.assertIn(text, output)
        self.assertFalse(self.out.exists())

    def run_with(self, number: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([self.root / "program"], env={"PTK_BUG": number} if number else {}, capture_output=True, text=True)

    def test_the_environment_chooses_one_of_the_bugs_in_one_program(self) -> None:
        code, output = self.plant(FIRST + SECOND)
        self.assertEqual(code, 0, output)
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", f"-I{self.out}/src", "-o", self.root / "program",
                        self.out / "src/ptk_take.c", self.out / "src/base/ptk_bug.c"], check=True)
        self.assertEqual([self.run_with(number).stdout for number in ("", "0", "7", "12")], ["2\n", "2\n", "3\n", "0\n"])
        for number in ("8", "seven", "7x"):
            run = self.run_with(number)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn(f"PTK_BUG={number}: no bug of this number", run.stderr)

    def test_each_bug_has_a_test_and_the_copy_without_one_too(self) -> None:
        self.plant(FIRST + SECOND)
        script = (self.out / "tests.cmake").read_text()
        self.assertEqual(script.count("add_test(planted."), 3)
        self.assertIn('ptk_scenarios" quiet --seed 1 --seeds 10 ', script)
        self.assertIn('ptk_scenarios" waits --exhaustion --seed 1 --seeds 200 ', script)
        self.assertIn("planted.p12 PROPERTIES LABELS planted TIMEOUT 60 ENVIRONMENT PTK_BUG=12 PASS_REGULAR_EXPRESSION", script)
        self.assertIn("ENVIRONMENT PTK_BUG=0 )", script)

    def test_other_files_are_copied_as_they_are_and_files_that_have_gone_are_removed(self) -> None:
        self.plant(FIRST)
        self.assertEqual((self.out / "sim/ptk_sim.h").read_text(), "/* untouched */\n")
        (self.root / "sim/ptk_sim.h").unlink()
        self.plant(FIRST)
        self.assertFalse((self.out / "sim/ptk_sim.h").exists())
        self.assertTrue((self.out / "src/base/ptk_bug.c").exists())

    def test_a_second_run_writes_nothing(self) -> None:
        self.plant(FIRST)
        times = {path: path.stat().st_mtime_ns for path in self.out.rglob("*.*")}
        self.plant(FIRST)
        self.assertEqual(times, {path: path.stat().st_mtime_ns for path in self.out.rglob("*.*")})

    def test_an_anchor_that_is_gone(self) -> None:
        self.assert_refused(FIRST.replace("replace: return sum;", "replace: return total;"),
                            "bug 7 (it takes one too many): src/ptk_take.c, add: the anchor 'return total;' is gone",
                            "8: return sum;")

    def test_an_anchor_that_stands_in_another_function_only(self) -> None:
        self.assert_refused(FIRST.replace("replace: return sum;", "replace: int sum = add(count, 1);"), "is gone")

    def test_an_anchor_that_matches_twice(self) -> None:
        self.assert_refused(SECOND.replace("before: if (count > 2) {", "before: return 0;"),
                            "bug 12 (it takes nothing): src/ptk_take.c, ptk_take: the anchor 'return 0;' stands in 2 lines: 14, 17")

    def test_a_part_of_a_line_is_no_anchor(self) -> None:
        self.assert_refused(FIRST.replace("replace: return sum;", "replace: return"), "is gone")

    def test_a_function_that_is_gone_or_only_declared(self) -> None:
        self.assert_refused(FIRST.replace("ptk_take.c, add", "ptk_take.c, ptk_give"), "the function is defined 0 times")
        (self.root / "src/ptk_take.c").write_text("int add(int a,\n        int b);\n")
        self.assert_refused(FIRST, "the function is defined 0 times")

    def test_a_file_that_is_gone(self) -> None:
        self.assert_refused(FIRST.replace("src/ptk_take.c", "src/ptk_gone.c"), "src/ptk_gone.c: there is no such file")

    def test_all_entries_that_do_not_fit_are_named(self) -> None:
        self.assert_refused(FIRST.replace("return sum;", "x;", 1) + SECOND.replace("count > 2", "count > 3"), "bug 7 (", "bug 12 (")

    def test_two_bugs_that_replace_one_line(self) -> None:
        self.assert_refused(FIRST + FIRST.replace("7", "8"), "bug 7 (it takes one too many) replaces the same line 8")

    def test_the_condition_names_the_bug_itself(self) -> None:
        self.assert_refused(FIRST.replace("PTK_BUG(7)", "PTK_BUG(8)"), "lines with PTK_BUG(7) alone")
        self.assert_refused(FIRST.replace("PTK_BUG(7) ? 1 : 0", "1"), "lines with PTK_BUG(7) alone")

    def test_malformed_entries(self) -> None:
        self.assert_refused(FIRST + FIRST, "there are two bugs 7")
        self.assert_refused(FIRST.replace("quiet, 10 seeds", "quiet"), "'found by' is SCENARIO")
        self.assert_refused(FIRST + "what is this\n", "neither a comment nor 'KEY: VALUE'")
        self.assert_refused("in: src/ptk_take.c, add\n" + FIRST, "before the first bug")
        self.assert_refused(FIRST.replace("in: src/ptk_take.c, add\n", ""), "is not expected here")
        self.assert_refused("bug 9: nothing\nfound by: quiet, 1 seeds\n", "at least one 'in:'")

    def test_the_sources_themselves_have_no_bugs(self) -> None:
        (self.root / "sim/ptk_sim.h").write_text("if (PTK_BUG(7)) {\n")
        self.assert_refused(FIRST, "sim/ptk_sim.h: has PTK_BUG")

    def test_the_entries_of_the_repository_fit(self) -> None:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = plant_bugs.main(["--root", str(ROOT)])
        self.assertEqual(code, 0, output.getvalue())


if __name__ == "__main__":
    unittest.main()
