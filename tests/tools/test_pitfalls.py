# SPDX-License-Identifier: MIT
"""The table of pitfalls is complete and true."""

import importlib.util
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
spec = importlib.util.spec_from_file_location("pitfalls", ROOT / "tools" / "pitfalls.py")
pitfalls = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pitfalls)


class Pitfalls(unittest.TestCase):
    def test_the_page_in_the_repository_is_true(self) -> None:
        run = subprocess.run([sys.executable, ROOT / "tools" / "pitfalls.py", "--check"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_names_are_found_by_their_number(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tests").mkdir()
            (Path(folder) / "tests" / "test_a.c").write_text("TEST(p07_wakes_once, REAL_THREADS) {\n}\n  TEST(p08_no)\nTEST(other) {\n}\n")
            found = pitfalls.tests_by_pitfall(Path(folder))
        self.assertEqual(found, {7: [("tests/test_a.c", "p07_wakes_once")]})

    def test_later_ones_appear_when_a_test_names_them(self) -> None:
        found = {number: [("t.c", f"p{number:02}_a")] for number in pitfalls.PITFALLS}
        self.assertNotIn("P84", pitfalls.page(found))
        self.assertIn("| P84 | A stale handle", pitfalls.page(found | {84: [("t.c", "p84_a")]}))
        self.assertEqual(pitfalls.PITFALLS.keys() & pitfalls.LATER.keys(), set())

    def test_a_row_says_how_many_more_there_are(self) -> None:
        text = pitfalls.row(7, "x", [("t.c", f"p07_{i}") for i in range(6)])
        self.assertIn("and 2 more", text)


if __name__ == "__main__":
    unittest.main()
