#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two builds of ptk_bench: runs them in turn and prints the ratios of their figures.

Each round runs both programs once, the first one first in every other round. For each figure it prints the median of
both, and the median and the quartiles of the ratio within a round. It judges nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

Figures = dict[str, float]


def measure(program: Path, names: list[str], folder: Path) -> Figures:
    """Runs the benches once: each figure's value for ptk, and no figure of one that could not run."""
    report = folder / "figures.json"
    subprocess.run([program, "--quick", "--rounds", "1", "--json", report, *names], check=True, stdout=subprocess.DEVNULL)
    figures = json.loads(report.read_text())["figures"]
    return {" ".join(filter(None, (figure["bench"], figure["metric"]))): figure["ptk"] for figure in figures}


def run_rounds(programs: tuple[Path, Path], names: list[str], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """The pairs of each figure, one a round."""
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            found: dict[int, Figures] = {which: measure(programs[which], names, Path(folder)) for which in order}
            for figure in found[0].keys() & found[1].keys():
                pairs[figure].append((found[0][figure], found[1][figure]))
    return pairs


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("first", type=Path, help="a program ptk_bench")
    parser.add_argument("second", type=Path, help="the one that it is compared with")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a bench")
    options = parser.parse_args(arguments)

    pairs = run_rounds((options.first, options.second), options.names, max(options.rounds, 2))
    if not pairs:
        print("bench_pairs: no figure was measured by both programs", file=sys.stderr)
        return 1
    print(f"{'figure':<32}{'first':>12}{'second':>12}{'ratio':>9}  quartiles ({options.first} / {options.second})")
    for figure, values in sorted(pairs.items()):
        low, middle, high = statistics.quantiles([first / second for first, second in values], n=4)
        medians = [statistics.median(side) for side in zip(*values)]
        print(f"{figure:<32}{medians[0]:>12.3f}{medians[1]:>12.3f}{middle:>9.3f}  {low:.3f} {high:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
