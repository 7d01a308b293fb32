#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies src/ and sim/ and plants bugs in the copy, all of them together; the environment variable PTK_BUG chooses one.

tests/sim/planted_bugs.txt says what the bugs are and how an entry is written. An entry whose anchor is not exactly one line
of its function is an error, so that code that moves takes its bugs along or says that it does not.

The copy has two more files, src/base/ptk_bug.h and ptk_bug.c, and tests.cmake, which adds to CTest that each bug is found by
its scenario within its seeds, and that all scenarios pass without one. The copy lies in a folder of the build directory.
"""

import argparse
import difflib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = ("src", "sim")

HEADER = """\
/* SPDX-License-Identifier: MIT */
/* Written by tools/plant_bugs.py. */
#pragma once

/* The planted bug in force, 0 for none. */
extern unsigned ptk_bug_number;

#define PTK_BUG(number) (ptk_bug_number == (number))
"""

CHOICE = """\
/* SPDX-License-Identifier: MIT */
/* Written by tools/plant_bugs.py. Reads the planted bug that is in force before main begins. */
#include "base/ptk_bug.h"

#include <stdio.h>
#include <stdlib.h>

unsigned ptk_bug_number;

static const unsigned planted[] = {0, @NUMBERS@};

static __attribute__((constructor)) void choose_bug(void) {
    const char *text = getenv("PTK_BUG");
    char *end = NULL;
    unsigned long number = text ? strtoul(text, &end, 10) : 0;
    for (size_t i = 0; i < sizeof planted / sizeof planted[0]; i++) {
        if (number == planted[i] && (!text || (end != text && *end == '\\0'))) {
            ptk_bug_number = planted[i];
            return;
        }
    }
    fprintf(stderr, "PTK_BUG=%s: no bug of this number is planted\\n", text);
    exit(2);
}
"""


TEST = """\
add_test(planted.@NAME@ "${CMAKE_CURRENT_LIST_DIR}/../tests/ptk_scenarios" @ARGUMENTS@ --seed 1 --seeds @SEEDS@ --steps 300000
    --no-shrink --out "${CMAKE_CURRENT_LIST_DIR}/..")
set_tests_properties(planted.@NAME@ PROPERTIES LABELS planted TIMEOUT 60 ENVIRONMENT PTK_BUG=@BUG@ @PASSES@)
"""


class PlantError(Exception):
    """What is wrong with an entry."""


@dataclass
class Edit:
    """One change of one function: lines put in the place of the anchor line, before it or behind it."""

    file: str
    function: str
    how: str = ""  # replace, before or after
    anchor: str = ""
    lines: list[str] = field(default_factory=list)


@dataclass
class Bug:
    number: int
    title: str
    scenario: str = ""
    options: str = ""
    seeds: int = 0
    edits: list[Edit] = field(default_factory=list)

    def __str__(self) -> str:
        return f"bug {self.number} ({self.title})"


# --- entries ---------------------------------------------------------------------------------------------------------
def take_line(bugs: list[Bug], key: str, value: str) -> None:
    """Adds one `key: value` line to what has been read."""
    if key.startswith("bug "):
        bugs.append(Bug(int(key.removeprefix("bug ")), value))
        return
    if not bugs:
        raise PlantError(f"'{key}:' stands before the first bug")
    bug = bugs[-1]
    if key == "found by":
        match = re.fullmatch(r"([a-z_-]+)((?: --[a-z-]+)*), (\d+) seeds", value)
        if not match:
            raise PlantError(f"{bug}: 'found by' is SCENARIO [--OPTION...], N seeds; it is '{value}'")
        bug.scenario, bug.options, bug.seeds = match[1], match[2].strip(), int(match[3])
    elif key == "in":
        file, _, function = value.partition(", ")
        bug.edits.append(Edit(file, function))
    elif key in ("replace", "before", "after") and bug.edits and not bug.edits[-1].how:
        bug.edits[-1].how, bug.edits[-1].anchor = key, value.strip()
    elif key == "write" and bug.edits and bug.edits[-1].how:
        bug.edits[-1].lines.append(value)
    else:
        raise PlantError(f"{bug}: a line '{key}:' is not expected here")


def check(bug: Bug) -> None:
    """Refuses an entry that lacks something."""
    if not bug.scenario or not bug.edits:
        raise PlantError(f"{bug}: needs a line 'found by:' and at least one 'in:'")
    for edit in bug.edits:
        conditions = set(re.findall(r"PTK_BUG\((\d+)\)", "\n".join(edit.lines)))
        if not edit.anchor or conditions != {str(bug.number)}:
            raise PlantError(f"{bug}: {edit.file}, {edit.function}: needs an anchor, and lines with PTK_BUG({bug.number}) alone")


def read_bugs(text: str) -> list[Bug]:
    bugs: list[Bug] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z]+(?: [a-z0-9]+)?): ?(.*)", line)
        if not match:
            raise PlantError(f"line {number} is neither a comment nor 'KEY: VALUE': {line}")
        take_line(bugs, match[1], match[2])
    for bug in bugs:
        check(bug)
    numbers = [bug.number for bug in bugs]
    for number in sorted({number for number in numbers if numbers.count(number) > 1}):
        raise PlantError(f"there are two bugs {number}")
    return bugs


# --- edits -----------------------------------------------------------------------------------------------------------
def body_of(lines: list[str], function: str) -> range:
    """The lines of a function's definition: from its name in the first column's declaration to its closing brace."""
    starts = [index for index, line in enumerate(lines)
              if re.match(rf"[A-Za-z_].*\b{re.escape(function)}\(", line) and not ends_as_declaration(lines, index)]
    if len(starts) != 1:
        defined = [match[1] for index, line in enumerate(lines)
                   if (match := re.match(r"[A-Za-z_].*?\b(\w+)\(", line)) and not ends_as_declaration(lines, index)]
        near = ", ".join(difflib.get_close_matches(function, defined, n=3, cutoff=0.4)) or "nothing"
        raise PlantError(f"the function is defined {len(starts)} times in the file; of a similar name: {near}")
    end = next((index for index in range(starts[0], len(lines)) if lines[index] == "}"), len(lines) - 1)
    return range(starts[0], end + 1)


def ends_as_declaration(lines: list[str], start: int) -> bool:
    """Whether what begins in this line ends with a semicolon before any brace."""
    for line in lines[start:]:
        if "{" in line:
            return False
        if line.rstrip().endswith(";"):
            return True
    return True


def anchor_line(lines: list[str], edit: Edit) -> int:
    """The one line of the function that is the anchor, spaces round it aside."""
    body = body_of(lines, edit.function)
    found = [index for index in body if lines[index].strip() == edit.anchor]
    if len(found) == 1:
        return found[0]
    if found:
        raise PlantError(f"the anchor '{edit.anchor}' stands in {len(found)} lines: {', '.join(str(i + 1) for i in found)}")
    stripped = {lines[index].strip(): index for index in body}
    near = difflib.get_close_matches(edit.anchor, stripped, n=3, cutoff=0.4)
    seen = "".join(f"\n        {stripped[line] + 1}: {line}" for line in near) or " nothing like it"
    raise PlantError(f"the anchor '{edit.anchor}' is gone; in the function there is{seen}")


def apply(text: str, edits: list[tuple[Bug, Edit]]) -> tuple[str, list[str]]:
    """The file with all edits, whose anchors are those of the text before any; and what is wrong."""
    lines = text.split("\n")
    before: dict[int, list[str]] = defaultdict(list)
    after: dict[int, list[str]] = defaultdict(list)
    replaced: dict[int, Bug] = {}
    wrong: list[str] = []
    for bug, edit in edits:
        try:
            index = anchor_line(lines, edit)
            if edit.how == "replace" and index in replaced:
                raise PlantError(f"{replaced[index]} replaces the same line {index + 1}")
        except PlantError as error:
            wrong.append(f"{bug}: {edit.file}, {edit.function}: {error}")
            continue
        if edit.how == "replace":
            replaced[index] = bug
        indentation = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
        written = [indentation + line for line in edit.lines]
        (after[index] if edit.how == "after" else before[index]).extend(written)
    kept: list[str] = []
    for index, line in enumerate(lines):
        kept += before[index] + ([] if index in replaced else [line]) + after[index]
    first = next((index for index, line in enumerate(kept) if line.startswith("#include")), 0)
    return "\n".join(kept[:first] + ['#include "base/ptk_bug.h"'] + kept[first:]), wrong


# --- tests ---------------------------------------------------------------------------------------------------------
def test_of(name: str, arguments: str, seeds: int, number: int, passes: str) -> str:
    text = TEST
    for key, value in {"NAME": name, "ARGUMENTS": arguments, "SEEDS": str(seeds), "BUG": str(number), "PASSES": passes}.items():
        text = text.replace(f"@{key}@", value)
    return text


def tests(bugs: list[Bug]) -> str:
    found = (test_of(f"p{bug.number:02}", f"{bug.scenario} {bug.options}".strip(), bug.seeds, bug.number,
                     'PASS_REGULAR_EXPRESSION "FAILURE in"') for bug in bugs)
    return "".join(found) + test_of("none", "--all", 100, 0, "")


# --- the copy --------------------------------------------------------------------------------------------------------
def planted_tree(root: Path, bugs: list[Bug]) -> tuple[dict[str, str], list[str]]:
    """The files of the copy, by path, and what is wrong with the entries."""
    files = {str(path.relative_to(root)): path.read_text()
             for folder in FOLDERS for path in sorted((root / folder).rglob("*.[ch]"))}
    wrong = [f"{name}: has PTK_BUG; bugs are planted in a copy only" for name, text in files.items() if "PTK_BUG" in text]
    by_file: dict[str, list[tuple[Bug, Edit]]] = defaultdict(list)
    for bug in bugs:
        for edit in bug.edits:
            if edit.file in files:
                by_file[edit.file].append((bug, edit))
            else:
                wrong.append(f"{bug}: {edit.file}: there is no such file")
    for file, edits in by_file.items():
        files[file], errors = apply(files[file], edits)
        wrong += errors
    files["src/base/ptk_bug.h"] = HEADER
    files["src/base/ptk_bug.c"] = CHOICE.replace("@NUMBERS@", ", ".join(str(bug.number) for bug in bugs))
    files["tests.cmake"] = tests(bugs)
    return files, wrong


def stale(out: Path, files: dict[str, str]) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in (out / folder).rglob("*.[ch]"):
            if str(path.relative_to(out)) not in files:
                yield path


def write_tree(out: Path, files: dict[str, str]) -> None:
    """Writes what differs from what is there, so that a build compiles no more than it must."""
    for path in list(stale(out, files)):
        path.unlink()
    for name, text in files.items():
        path = out / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--bugs", type=Path, help="the entries (default: tests/sim/planted_bugs.txt under the root)")
    parser.add_argument("--out", type=Path, help="the folder of the copy; without it the entries are only checked")
    options = parser.parse_args(arguments)

    path = options.bugs or options.root / "tests/sim/planted_bugs.txt"
    try:
        bugs = read_bugs(path.read_text())
    except PlantError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    files, wrong = planted_tree(options.root, bugs)
    for text in wrong:
        print(f"{path}: {text}", file=sys.stderr)
    if wrong:
        return 1
    if options.out:
        write_tree(options.out, files)
    print(f"plant_bugs: {len(bugs)} bugs, all anchors found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
