#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what libptk.so exports, and what the sources mark PTK_API, with tools/exports.txt."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

LIST = "tools/exports.txt"


def lines_of(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def marked(archive: Path) -> list[str]:
    """Symbols that the objects define with default visibility: the ones declared PTK_API."""
    symbol = re.compile(r" (?:GLOBAL|WEAK) +DEFAULT +(?:\d+|COM) +([A-Za-z_]\w*)")
    found = {match[1] for line in lines_of("readelf", "--syms", "--wide", str(archive)) if (match := symbol.search(line))}
    return sorted(name for name in found if not name.startswith(("__", "_GLOBAL_")))


def exported(library: Path) -> list[str]:
    symbol = re.compile(r" [B-Z] ([A-Za-z_]\w*)")  # A is the version itself
    found = {match[1] for line in lines_of("nm", "-D", "--defined-only", str(library)) if (match := symbol.search(line))}
    return sorted(name for name in found if not name.startswith("__") and name not in ("_init", "_fini"))


def disagreements(listed: list[str], in_archive: list[str], in_library: list[str]) -> list[str]:
    pairs = (("marked PTK_API but not in the list", in_archive, listed),
             ("in the list but not defined with PTK_API", listed, in_archive),
             ("in the list but not exported by libptk.so", listed, in_library),
             ("exported by libptk.so but not in the list", in_library, listed))
    found = [f"{sentence}: {name}" for sentence, some, others in pairs for name in sorted(set(some) - set(others))]
    return found + ([] if listed == sorted(listed) else ["the list is not sorted"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="the build directory with libptk.a and libptk.so")
    parser.add_argument("--update", action="store_true", help=f"write {LIST} instead")
    options = parser.parse_args(arguments)
    path = Path(__file__).resolve().parent.parent / LIST
    in_archive = marked(options.build / "libptk.a")
    if options.update:
        path.write_text("".join(f"{name}\n" for name in in_archive))
        print(f"wrote {LIST}")
        return 0
    listed = [line for line in path.read_text().splitlines() if re.match(r"[A-Za-z_]", line)]
    found = disagreements(listed, in_archive, exported(options.build / "libptk.so"))
    for problem in found:
        print(problem)
    if found:
        print(f"{LIST} disagrees in {len(found)} places. If the new set of symbols is meant: ./dev exports")
        return 1
    print(f"{len(listed)} exported symbols, as listed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
