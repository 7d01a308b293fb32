#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants small bugs at random places of src/ and sim/, runs the tests that execute each place, and prints the bugs that none sees.

tools/plant_bugs.py plants the bugs that tests/sim/planted_bugs.txt describes, which other event loops really had, and shows
that a scenario finds each. This tool measures the tests instead: a bug that survives is a test that is missing, or a change that
makes no difference (tests/sim/equivalents.txt lists such ones, with the reason). It is for developers and takes long.

    tools/plant.py --seed 7 --places 100             all tests
    tools/plant.py --seed 7 --places 100 --again     the survivors once more, after a test was written
    tools/plant.py --seed 7 --places 100 --only simulator --seeds 1000
    tools/plant.py --seed 7 --places 100 --show 17   the 17th bug as a diff
    tools/plant.py --seed 7 --places 100 --by-hand   builds, and prints how a test is run with a bug

All bugs of a run are compiled into one build (bug_places.py); PTK_PLANTED=17 in the environment chooses one. A first pass runs
every test without a bug, with PTK_PLANTED_SEEN=FILE, into which the process maps one byte for each place that it executes. So a
bug is tried with the tests only that can see it, the cheapest and most specific ones first, until one fails twice or exceeds its
time. What a bug does is bounded: each test is a process group of its own with limits of time, memory and file size, and is
killed as a whole.

Verdicts are appended to results.jsonl in the build folder; a run that is started again continues there.
"""

import argparse
import concurrent.futures
import difflib
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import bug_places
from c_source import line_of
from plant_bugs import FOLDERS, write_tree

ROOT = Path(__file__).resolve().parent.parent
LABELS = "unit,conformance,regress,faults,sim"
# What this build does not compile.
NOT_BUILT = r"ptk_context_(?:ucontext|aarch64)\."
# Scripts that run programs of this build.
SCRIPTS = r"tools\.sim_"
# Each takes minutes: a workload for every call that can fail.
NOT_RUN = r"faults\.suite|_sweep|\.sweep"
SMALLEST_LIMIT_S = 8.0
TIMES_OF_LIMIT = 12

HEADER = """\
/* SPDX-License-Identifier: MIT */
/* Written by tools/plant.py. */
#pragma once

/* The planted bug in force, 0 for none, and a byte for each place that was executed. */
extern unsigned ptk_planted_number;
extern unsigned char ptk_planted_seen[];

#define PTK_PLANTED(number) (ptk_planted_seen[number] = 1, ptk_planted_number == (number))
"""

CHOICE = """\
/* SPDX-License-Identifier: MIT */
/* Written by tools/plant.py. Reads the planted bug that is in force before main begins. */
#include "base/ptk_planted.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned ptk_planted_number;
unsigned char ptk_planted_seen[@ROOM@] __attribute__((aligned(@PAGE@)));

static __attribute__((constructor)) void choose_bug(void) {
    const char *number = getenv("PTK_PLANTED");
    const char *seen = getenv("PTK_PLANTED_SEEN");
    ptk_planted_number = number ? (unsigned) strtoul(number, NULL, 10) : 0;
    int file = seen ? open(seen, O_RDWR | O_CLOEXEC) : -1;
    if (file >= 0) {
        mmap(ptk_planted_seen, sizeof ptk_planted_seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
        close(file);
    }
}
"""
PAGE = 65536

# The limits are set by the shell, because the tool has threads when it starts a test.
BOUNDED = 'ulimit -c 0; ulimit -t "$1"; ulimit -v "$2"; ulimit -f "$3"; shift 3; exec nice -n 19 "$@"'


@dataclass
class Test:
    """A test of CTest, or a scenario with a range of seeds."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: str
    labels: list[str]
    skips: int = -1
    pattern: str = ""  # what the output of a test that passes must match, whatever it returns
    seconds: float = 0.0
    places: set[int] = field(default_factory=set)  # the numbers that it executes

    def limit_s(self) -> float:
        return SMALLEST_LIMIT_S + TIMES_OF_LIMIT * self.seconds


class ToolError(Exception):
    """Why the run cannot go on."""


# --- choosing places ---------------------------------------------------------------------------------------------------
def sources(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text()
            for folder in FOLDERS for path in sorted((root / folder).rglob("*.[ch]"))}


def is_in(file: str, folders: list[str]) -> bool:
    return any(file == folder or file.startswith(folder.rstrip("/") + "/") for folder in folders)


def planted_files(files: dict[str, str], chosen: list[bug_places.Place]) -> dict[str, str]:
    """The files that have places, with all of the chosen ones in them; numbers begin at 1."""
    by_file: dict[str, list[tuple[int, bug_places.Place]]] = {}
    for number, place in enumerate(chosen, 1):
        by_file.setdefault(place.file, []).append((number, place))
    return {file: bug_places.plant(files[file], pairs, "base/ptk_planted.h") for file, pairs in by_file.items()}


def tree_of(files: dict[str, str], chosen: list[bug_places.Place]) -> dict[str, str]:
    room = (len(chosen) + PAGE) // PAGE * PAGE
    return {**files, **planted_files(files, chosen), "src/base/ptk_planted.h": HEADER, "tests.cmake": "",
            "src/base/ptk_planted.c": CHOICE.replace("@ROOM@", str(room)).replace("@PAGE@", str(PAGE))}


def wrong_lines(out: Path, file: str) -> set[tuple[str, int]]:
    """The lines of a file of the copy, and of what it includes, that do not compile."""
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", "-Werror=incompatible-pointer-types", "-Werror=int-conversion",
               "-Werror=implicit-function-declaration", f"-I{out / 'src'}", f"-I{out / 'sim'}", f"-I{out}", "-x", "c", str(out / file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = re.findall(rf"^{re.escape(str(out))}/(\S+?):(\d+):\d+: (?:error|note: in expansion)", result.stderr, re.MULTILINE)
    if result.returncode != 0 and not lines:
        raise ToolError(f"{file} does not compile:\n{result.stderr}")
    return {(name, int(line)) for name, line in lines} if result.returncode != 0 else set()


def lines_of(files: dict[str, str], place: bug_places.Place) -> set[tuple[str, int]]:
    text = files[place.file]
    return {(place.file, line) for line in range(line_of(text, place.start), line_of(text, place.end) + 1)}


def without_wrong(files: dict[str, str], chosen: list[bug_places.Place], out: Path, checked: set[bug_places.Place]) -> list[bug_places.Place]:
    """The chosen places less those in lines that do not compile."""
    tree = tree_of(files, chosen)
    write_tree(out, tree)
    new_files = {place.file for place in chosen if place not in checked}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = set().union(*pool.map(lambda file: wrong_lines(out, file), sorted(new_files)))
    return [place for place in chosen if place in checked or not wrong & lines_of(files, place)]


def choose(files: dict[str, str], seed: int, count: int, folders: list[str], out: Path) -> list[bug_places.Place]:
    """The first `count` places of the seed's order that do not overlap and that compile."""
    everything = [place for file, text in files.items()
                  if is_in(file, folders) and not re.search(NOT_BUILT, file) for place in bug_places.find_places(file, text)]
    random.Random(seed).shuffle(everything)
    chosen: list[bug_places.Place] = []
    checked: set[bug_places.Place] = set()
    upcoming = iter(everything)
    while len(chosen) < count:
        added = 0
        for place in upcoming:
            if not any(place.overlaps(other) for other in chosen):
                chosen.append(place)
                added += 1
            if len(chosen) == count:
                break
        if added == 0:
            break
        kept = without_wrong(files, chosen, out, checked)
        while len(kept) < len(chosen):
            chosen = kept
            kept = without_wrong(files, chosen, out, checked)
        checked.update(chosen)
    return chosen


# --- running one test ----------------------------------------------------------------------------------------------------
def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends what the test has started and left in its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_test(test: Test, number: int, limit_s: float, memory_mib: int, seen: Path | None = None) -> str:
    """Runs a test with a bug: passed, failed or timeout. A test that is skipped has passed."""
    environment = {**os.environ, **test.environment, "PTK_PLANTED": str(number)}
    if seen:
        environment["PTK_PLANTED_SEEN"] = str(seen)
    limits = [str(int(limit_s) + 1), str(memory_mib * 1024), str(64 * 2048)]
    with tempfile.TemporaryFile() as output, subprocess.Popen(
            ["sh", "-c", BOUNDED, "sh", *limits, *test.command], cwd=test.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            kill_group(process)
        output.seek(0)
        text = output.read().decode(errors="replace") if test.pattern else ""
    if code == -signal.SIGXCPU:
        return "timeout"
    if test.pattern:
        return "passed" if re.search(test.pattern, text, re.DOTALL) else "failed"
    return "passed" if code in (0, test.skips) else "failed"


# --- tests -----------------------------------------------------------------------------------------------------------
def ctest_tests(build: Path) -> list[Test]:
    shown = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True, check=True)
    tests = []
    for entry in json.loads(shown.stdout)["tests"]:
        properties = {prop["name"]: prop["value"] for prop in entry["properties"]}
        if "command" not in entry or properties.get("RUN_SERIAL"):
            continue
        environment = dict(pair.split("=", 1) for pair in properties.get("ENVIRONMENT", []))
        tests.append(Test(entry["name"], entry["command"], environment, properties.get("WORKING_DIRECTORY", str(build)),
                          properties.get("LABELS", []), properties.get("SKIP_RETURN_CODE", -1),
                          "".join(properties.get("PASS_REGULAR_EXPRESSION", []))))
    return tests


def tests_to_run(build: Path, labels: list[str]) -> list[Test]:
    """The programs of this build among the tests that have one of the labels, and what else runs these."""
    return [test for test in ctest_tests(build)
            if (set(labels) & set(test.labels) and not re.search(NOT_RUN, test.name)
                and Path(test.command[0]).is_relative_to(build)) or re.match(SCRIPTS, test.name)]


def scenarios(build: Path, seeds: int, scratch: Path) -> list[Test]:
    """The tests that run scenarios, each with seeds 1 to `seeds` in three parts; the first parts come first."""
    cuts = [cut for cut in (20, 100) if cut < seeds] + [seeds]
    tests = []
    for begin, end in zip([0, *cuts], cuts, strict=False):
        for test in ctest_tests(build):
            if Path(test.command[0]).name != "ptk_scenarios" or "--exhaustive" in test.command or test.pattern:
                continue
            command = re.sub(r" --(?:seed|seeds|out|steps) \S+", "", " ".join(test.command[1:])).split()
            command = [test.command[0], *command, "--seed", str(begin + 1), "--seeds", str(end - begin), "--jobs", "1",
                       "--steps", "300000", "--no-shrink", "--out", str(scratch)]
            tests.append(Test(f"{test.name} seeds {begin + 1} to {end}", command, test.environment, test.folder, ["simulator"]))
    return tests


def trace(test: Test, count: int, folder: Path, memory_mib: int) -> bool:
    """Runs a test without a bug, and keeps its duration and the places that it executes. False: it fails by itself."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.truncate((count + PAGE) // PAGE * PAGE)
        begin = time.monotonic()
        verdict = run_test(test, 0, 300, memory_mib, Path(file.name))
        test.seconds = time.monotonic() - begin
        seen = Path(file.name).read_bytes()
    test.places = {number for number in range(1, count + 1) if seen[number]}
    return verdict == "passed"


def trace_all(tests: list[Test], count: int, build: Path, jobs: int, memory_mib: int, key: str) -> list[Test]:
    """The tests that pass without a bug, traced; from the file of an earlier run if it is of the same build."""
    kept = build / f"trace-{key}.json"
    if kept.is_file():
        known = json.loads(kept.read_text())
        for test in tests:
            if test.name in known:
                test.seconds, test.places = known[test.name][0], set(known[test.name][1])
        return [test for test in tests if test.name in known]
    print(f"plant: {len(tests)} tests without a bug", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        passed = list(pool.map(lambda test: trace(test, count, build, memory_mib), tests))
    for test, passes in zip(tests, passed, strict=True):
        if not passes:
            print(f"plant: left out, because it fails without a bug: {test.name}")
    usable = [test for test, passes in zip(tests, passed, strict=True) if passes]
    kept.write_text(json.dumps({test.name: [test.seconds, sorted(test.places)] for test in usable}))
    return usable


# --- verdicts --------------------------------------------------------------------------------------------------------
def texts_of(files: dict[str, str], place: bug_places.Place) -> tuple[str, str]:
    """The line or lines of a place, and the same with the bug, each without spaces around."""
    text = files[place.file]
    begin, end = text.rfind("\n", 0, place.start) + 1, text.find("\n", place.end)
    bug = text[begin : place.start] + place.bug + text[place.end : end]
    return bug_places.flat(text[begin:end]).strip(), bug_places.flat(bug).strip()


def identity(files: dict[str, str], place: bug_places.Place) -> str:
    was, is_now = texts_of(files, place)
    text = files[place.file]
    same_before = text.count(text[text.rfind("\n", 0, place.start) : place.end], 0, place.start)
    return hashlib.sha1(f"{place.file} {place.function} {was} {is_now} {same_before}".encode()).hexdigest()[:12]


def read_equivalents(path: Path) -> set[tuple[str, str, str]]:
    """The function, the line and the line with the bug of each entry."""
    if not path.is_file():
        return set()
    return set(re.findall(r"^in: (\S+, \w+)\nwas: (.*)\nis: *(.*)\nbecause: .+$", path.read_text(), re.MULTILINE))


def try_bug(number: int, tests: list[Test], memory_mib: int, budget_s: float) -> dict[str, object]:
    """Runs the tests that execute a place, until one sees the bug or `budget_s` is over (0: no limit)."""
    able = [test for test in tests if number in test.places]
    able.sort(key=lambda test: (len(test.places) + 10) * (test.seconds + 0.01))
    begin = time.monotonic()
    found: dict[str, object] = {"verdict": "survived" if able else "not executed"}
    tried = 0
    for test in able:
        if budget_s and time.monotonic() - begin > budget_s:
            break
        tried += 1
        verdict = run_test(test, number, test.limit_s(), memory_mib)
        if verdict == "failed":
            verdict = run_test(test, number, test.limit_s(), memory_mib)
        if verdict != "passed":
            found = {"verdict": "caught", "by": test.name, "how": verdict, "label": test.labels[0]}
            break
    return {**found, "tried": tried, "able": len(able), "seconds": round(time.monotonic() - begin, 1)}


class Results:
    """The verdicts of this and of earlier runs, by the places' identities."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path, self.mode = path, mode
        self.lock = threading.Lock()
        self.known: dict[str, dict[str, object]] = {}
        for line in path.read_text().splitlines() if path.is_file() else []:
            entry = json.loads(line)
            if entry["mode"] == mode:
                self.known[entry["id"]] = entry

    def add(self, entry: dict[str, object]) -> None:
        with self.lock:
            self.known[str(entry["id"])] = entry
            with self.path.open("a") as file:
                file.write(json.dumps({"mode": self.mode, **entry}) + "\n")


# --- commands --------------------------------------------------------------------------------------------------------
def diff_of(files: dict[str, str], place: bug_places.Place) -> str:
    before = files[place.file].splitlines(keepends=True)
    after = bug_places.with_bug(files[place.file], place).splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, f"a/{place.file}", f"b/{place.file}"))


def where(files: dict[str, str], place: bug_places.Place) -> str:
    return f"{place.file}:{line_of(files[place.file], place.start)}, {place.function}: {place.kind}"


def build_tree(root: Path, build: Path, jobs: int) -> None:
    for command in (["cmake", "-S", str(root), "-B", str(build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                     f"-DPTK_TREE={build / 'tree'}", "-DPTK_BUILD_BENCH=OFF"],
                    ["nice", "-n", "19", "cmake", "--build", str(build), "-j", str(jobs)]):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ToolError(f"{' '.join(command)} failed:\n{result.stdout[-4000:]}{result.stderr[-4000:]}")


def run_bugs(options: argparse.Namespace, files: dict[str, str], chosen: list[bug_places.Place], tests: list[Test],
             results: Results) -> None:
    """Tries the bugs that have no verdict yet."""

    def run_one(number: int) -> None:
        place = chosen[number - 1]
        was, is_now = texts_of(files, place)
        entry = {"id": identity(files, place), "place": where(files, place), "was": was, "is": is_now,
                 **try_bug(number, tests, options.memory, options.budget)}
        results.add(entry)
        print(f"{number:4} {entry['verdict']:12} {entry['place']} ({entry['tried']} of {entry['able']} tests, {entry['seconds']} s) {entry.get('by', '')}",
              flush=True)

    def is_open(number: int) -> bool:
        known = results.known.get(identity(files, chosen[number - 1]))
        return known is None or (options.again and known["verdict"] != "caught")

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run_one, [number for number in range(1, len(chosen) + 1) if is_open(number)]))


def report(files: dict[str, str], chosen: list[bug_places.Place], results: Results, equivalents: set[tuple[str, str, str]]) -> int:
    """Prints the survivors and the counts; returns how many there are."""
    counts: Counter[str] = Counter()
    by_label: Counter[str] = Counter()
    survivors = 0
    for number, place in enumerate(chosen, 1):
        entry = results.known.get(identity(files, place), {"verdict": "not tried"})
        verdict = str(entry["verdict"])
        if verdict != "caught" and (f"{place.file}, {place.function}", *texts_of(files, place)) in equivalents:
            verdict = "equivalent"
        counts[verdict] += 1
        by_label[str(entry.get("label"))] += verdict == "caught"
        if verdict in ("survived", "not executed"):
            survivors += 1
            print(f"\n{number}: {verdict}: {where(files, place)}\n{diff_of(files, place)}")
    seen = ", ".join(f"{label} {count}" for label, count in by_label.most_common() if count)
    shown = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    judged = len(chosen) - counts["equivalent"] - counts["not tried"]
    print(f"\nplant: {len(chosen)} bugs: {shown}" + (f"; first seen by: {seen}" if seen else ""))
    if judged:
        print(f"plant: {100 * counts['caught'] / judged:.1f} % of those that are not equivalent are caught")
    return survivors


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--build", type=Path, help="the folder of the copy and of its build (default: build/plant under the root)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the places (default 1)")
    parser.add_argument("--places", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--folders", default="src,sim", help="folders or files, separated by commas (default src,sim)")
    parser.add_argument("--only", choices=["simulator"], help="only scenarios are run")
    parser.add_argument("--seeds", type=int, default=300, help="with --only simulator: how many of each scenario (default 300)")
    parser.add_argument("--labels", default=LABELS, help=f"of the tests (default {LABELS})")
    parser.add_argument("--jobs", type=int, default=1, help="bugs that are tried at the same time (default 1)")
    parser.add_argument("--budget", type=float, default=0, help="seconds for each bug, after which it has survived (default 0: all tests)")
    parser.add_argument("--memory", type=int, default=8192, help="a test's limit of address space in MiB (default 8192)")
    parser.add_argument("--list", action="store_true", help="print the places and end")
    parser.add_argument("--show", type=int, metavar="K", help="print the K-th bug as a diff and end")
    parser.add_argument("--by-hand", action="store_true", help="build and end")
    parser.add_argument("--report", action="store_true", help="print what earlier runs have found and end")
    parser.add_argument("--again", action="store_true", help="try those again that no test has seen")
    options = parser.parse_args(arguments)
    options.build = (options.build or options.root / "build/plant").resolve()
    return options


def run(options: argparse.Namespace) -> int:
    files = sources(options.root)
    tree = options.build / "tree"
    options.build.mkdir(parents=True, exist_ok=True)
    chosen = choose(files, options.seed, options.places, options.folders.split(","), tree)
    if options.show:
        print(where(files, chosen[options.show - 1]))
        print(diff_of(files, chosen[options.show - 1]))
        return 0
    if options.list:
        for number, place in enumerate(chosen, 1):
            print(f"{number:4} {where(files, place)}\n     {' -> '.join(texts_of(files, place))}")
        return 0
    mode = f"simulator {options.seeds}" if options.only else options.labels
    results = Results(options.build / "results.jsonl", mode)
    if not options.report:
        write_tree(tree, tree_of(files, chosen))
        build_tree(options.root, options.build, max(options.jobs, 2))
        if options.by_hand:
            print(f"PTK_PLANTED=NUMBER {options.build}/tests/conformance TEST")
            return 0
        with tempfile.TemporaryDirectory() as scratch:
            tests = (scenarios(options.build, options.seeds, Path(scratch)) if options.only
                     else tests_to_run(options.build, options.labels.split(",")))
            names = "".join(test.name for test in tests) + "".join(tree_of(files, chosen).values())
            tests = trace_all(tests, len(chosen), options.build, options.jobs, options.memory,
                              hashlib.sha1(names.encode()).hexdigest()[:12])
            run_bugs(options, files, chosen, tests, results)
    report(files, chosen, results, read_equivalents(options.root / "tests/sim/equivalents.txt"))
    return 0


def main(arguments: list[str]) -> int:
    try:
        return run(parse(arguments))
    except ToolError as error:
        print(f"plant: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
