#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants bugs at all places of a small tree with tools/plant.py, and sees what becomes of each."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import bug_places  # noqa: E402
import plant  # noqa: E402

SOURCE = """\
#include "count.h"

int count_to(int limit) {
    int count = 0;
    while (count < limit) {
        count++;
    }
    return count;
}

int never_called(void) {
    return 3;
}
"""
TEST = """\
#include "count.h"

int main(void) {
    return count_to(5) == 5 ? 0 : 1;
}
"""
BUILD = """\
cmake_minimum_required(VERSION 3.25)
project(small C)
enable_testing()
add_executable(count test.c "${PTK_TREE}/src/count.c" "${PTK_TREE}/src/base/ptk_planted.c")
target_include_directories(count PRIVATE "${PTK_TREE}/src")
foreach(label unit kernel)
    add_test(NAME ${label}.count COMMAND count)
    set_tests_properties(${label}.count PROPERTIES LABELS ${label})
endforeach()
add_test(NAME unit.broken COMMAND count) # it fails without a bug, so that it is not used
set_tests_properties(unit.broken PROPERTIES LABELS unit WILL_FAIL ON ENVIRONMENT "LD_PRELOAD=;ASAN_OPTIONS=")
"""

KINDS = """\
#include <stdbool.h>

static __attribute__((noinline)) int decide(const char *text, int a,
                  int b) {
    static const int fixed = 4;
    ptk_assert(a < b);
    if (a <= b && text) {
        return take(a, b) + fixed;
    }
    for (int i = 0; i < a; i++) {
        list_remove(text);
    }
    switch (a) {
    case 7:
        a = a < b ? a : b;
        compare = strcmp(text, a);
        break;
    default:
        return PTK_ERR_CLOSED;
    }
    return err == PTK_OK ? a : -EINVAL;
}
"""


class PlacesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.places = bug_places.find_places("src/kinds.c", KINDS)

    def found(self, kind: str) -> list[tuple[str, str]]:
        return [(KINDS[place.start : place.end].strip(), place.bug.strip()) for place in self.places if place.kind == kind]

    def test_conditions_and_comparisons(self) -> None:
        self.assertEqual(self.found("condition negated"), [("a <= b && text", "!(a <= b && text)"), ("a < b", "!(a < b)"), ("err == PTK_OK", "!(err == PTK_OK)")])
        self.assertEqual(self.found("bound off by one"), [("a <= b", "a < b"), ("i < a", "i <= a")])
        self.assertEqual(self.found("comparison negated"), [])
        self.assertEqual(self.found("operand left out"), [("&& text", "")])

    def test_the_function_is_named(self) -> None:
        self.assertEqual({place.function for place in self.places}, {"decide"})

    def test_statements_and_jumps(self) -> None:
        self.assertEqual(self.found("unlink left out"), [("list_remove(text);", ";")])
        self.assertEqual([was for was, _ in self.found("jump left out")],
                         ["return take(a, b) + fixed;", "return PTK_ERR_CLOSED;"])

    def test_constants_errors_signs_and_arguments(self) -> None:
        self.assertEqual(self.found("constant changed"), [("0", "1")])  # neither a case nor what is static
        errors = dict(self.found("wrong error"))
        self.assertEqual(set(errors), {"PTK_ERR_CLOSED", "EINVAL"})
        self.assertNotIn(errors["EINVAL"], ("EINVAL", "PTK_OK"))
        self.assertEqual(self.found("sign changed"), [("+ fixed", "- fixed")])
        self.assertEqual(self.found("arguments exchanged"), [("take(a, b)", "take(b, a)")])

    def test_assertions_are_left_alone(self) -> None:
        line = KINDS.index("ptk_assert")
        self.assertFalse([place for place in self.places if line <= place.start < KINDS.index("\n", line)])

    def test_a_copy_with_bugs_has_the_lines_of_the_original(self) -> None:
        text = "#include <x.h>\n\nint f(int a) {\n    g(a,\n      2);\n    return a;\n}\n"
        places = [place for place in bug_places.find_places("src/x.c", text) if place.kind == "statement left out"]
        copy = bug_places.plant(text, [(3, places[0])], "base/ptk_planted.h")
        self.assertIn("if (!PTK_PLANTED(3)) { g(a, 2); }\n\n    return a;", copy)
        self.assertEqual(copy.split("\n")[0], '#include "base/ptk_planted.h"')
        self.assertEqual(copy.split("\n")[1], "#line 1")


class EquivalentsTest(unittest.TestCase):
    def test_each_entry_fits_the_sources(self) -> None:
        path = ROOT / "tests/sim/equivalents.txt"
        entries = plant.read_equivalents(path)
        self.assertEqual(len(entries), path.read_text().count("\nbecause: "))
        for place, was, is_now in entries:
            file, function = place.split(", ")
            text = (ROOT / file).read_text()
            self.assertIn(f"{function}(", text)
            self.assertIn(was, bug_places.flat(text), place)
            self.assertNotEqual(was, is_now)


class PlantTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "src/base").mkdir(parents=True)
        (self.root / "sim").mkdir()
        (self.root / "tests/sim").mkdir(parents=True)
        for name, text in {"src/count.c": SOURCE, "test.c": TEST, "CMakeLists.txt": BUILD,
                           "src/count.h": "int count_to(int limit);\nint never_called(void);\n"}.items():
            (self.root / name).write_text(text)
        smallest, plant.SMALLEST_LIMIT_S = plant.SMALLEST_LIMIT_S, 1.0
        self.addCleanup(setattr, plant, "SMALLEST_LIMIT_S", smallest)

    def plant(self, *arguments: str) -> str:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = plant.main(["--root", str(self.root), "--places", "100", *arguments])
        self.assertEqual(code, 0, output.getvalue())
        return output.getvalue()

    def verdicts(self) -> dict[str, str]:
        lines = (self.root / "build/plant/results.jsonl").read_text().splitlines()
        return {entry["was"] + " -> " + entry["is"]: entry.get("how", entry["verdict"]) for entry in map(json.loads, lines)}

    def test_every_bug_gets_its_verdict_and_a_second_run_goes_on(self) -> None:
        output = self.plant("--labels", "unit")
        verdicts = self.verdicts()
        self.assertEqual(verdicts["return 3; -> return 2;"], "not executed")
        self.assertEqual(verdicts["int count = 0; -> int count = 1;"], "survived")
        self.assertEqual(verdicts["count++; -> ;"], "timeout")
        loop = "while (count < limit) {"
        self.assertTrue({verdicts.get(f"{loop} -> while (count <= limit) {{"), verdicts.get(f"{loop} -> while (!(count < limit)) {{")}
                        & {"failed"})
        self.assertIn("-    int count = 0;\n+    int count = 1;\n", output)
        self.assertNotIn("+    count++;", output)
        count = len((self.root / "build/plant/results.jsonl").read_text().splitlines())
        (self.root / "tests/sim/equivalents.txt").write_text(
            "in: src/count.c, count_to\nwas: int count = 0;\nis: int count = 1;\nbecause: no caller counts to 0\n")
        output = self.plant("--labels", "unit")
        self.assertEqual(len((self.root / "build/plant/results.jsonl").read_text().splitlines()), count)
        self.assertIn("1 equivalent", output)
        self.assertNotIn("+    int count = 1;", output)

    def test_list_and_show_name_the_same_bugs(self) -> None:
        listed = self.plant("--list")
        number = next(line.split()[0] for line in listed.splitlines() if "count_to: statement left out" in line)
        self.assertIn("-        count++;\n+        ;\n", self.plant("--show", number))
        self.assertEqual(self.plant("--list"), listed)
        self.assertTrue(any(self.plant("--list", "--seed", str(seed)) != listed for seed in range(2, 8)))

    def test_a_test_ends_with_all_that_it_has_started(self) -> None:
        folder = self.root / "left"
        command = ["sh", "-c", f"sleep 100 & echo $! > {folder}; wait"]
        verdict = plant.run_test(plant.Test("t", command, {}, str(self.root), ["unit"]), 1, 0.5, 1000)
        self.assertEqual(verdict, "timeout")
        state = subprocess.run(["ps", "-o", "stat=", "-p", folder.read_text().strip()], capture_output=True, text=True, check=False)
        self.assertIn(state.stdout.strip()[:1], ("", "Z"))

    def test_memory_and_time_of_the_processor_are_limited(self) -> None:
        def verdict(text: str) -> str:
            command = [sys.executable, "-c", text]
            return plant.run_test(plant.Test("t", command, dict(os.environ), str(self.root), ["unit"]), 1, 20, 300)

        self.assertEqual(verdict("pass"), "passed")
        self.assertEqual(verdict("x = bytearray(1 << 30)"), "failed")


if __name__ == "__main__":
    unittest.main()
