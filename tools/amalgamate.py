#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the whole library as two files, ptk.c and ptk.h.

ptk.h is src/ptk.h with every public header in its place. ptk.c is every source of src/ with the internal headers, each
once, in the order in which they need each other. Both are the text of the tree: this tool moves #include lines and adds
the #if round the files that are for one system or CPU, and changes nothing else. Names that are local to a file must
therefore differ between files; the compiler reports those that do not.
"""

import argparse
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from c_source import blank
from layers import layer_of

# The files that are for one system or CPU, and when they are compiled.
GUARDS: tuple[tuple[str, str], ...] = (
    ("src/sys/ptk_sys_linux*", "defined(__linux__)"),
    ("src/platform/*_epoll.[ch]", "defined(__linux__)"),
    ("src/context/ptk_context_ucontext.[ch]", "defined(PTK_CONTEXT_UCONTEXT)"),
    ("src/context/ptk_context_x86_64_sysv.[ch]", "!defined(PTK_CONTEXT_UCONTEXT) && defined(__x86_64__)"),
    ("src/context/ptk_context_aarch64.[ch]", "!defined(PTK_CONTEXT_UCONTEXT) && defined(__aarch64__)"),
)

USAGE_NOTE = """\
 *
 * Add ptk.c and ptk.h to a program and compile them like its other files: `cc -O2 -c ptk.c` is enough, on Linux with glibc
 * or musl. ptk.c needs gcc or clang, as C11 or later; ptk.h also works in C++17.
 *
 * Macros:
 *   PTK_CONTEXT_UCONTEXT=1  switches stacks with swapcontext instead of assembly, for other CPUs than x86-64 and aarch64
 *   PTK_CHECKED=1           adds the assertions that are too slow for a release
 *
 * A shared library or plugin that contains ptk.c is linked with -Wl,-z,nodelete: handlers of signals, of forks and of ending
 * threads stay installed, so dlclose must not unmap their code.
 *
 * Flags that the project's own build adds and that are worth adding:
 *   -fno-omit-frame-pointer   backtraces of parked green threads are complete
 *   -fstack-clash-protection  a function with a large frame cannot step over the guard of a green thread's stack
 *   -fcf-protection=none      (x86-64) the stack switch does not switch shadow stacks. Linux turns those on only for programs
 *                             that request them and whose objects are all marked as fit; this flag leaves ptk.o unmarked.
 *   -ftls-model=initial-exec  (glibc, with -fPIC) thread-local state costs one instruction in a shared library
 *   -fno-lto                  the start of a new context is assembly at file scope, which link-time optimisation may lose
 */
"""

DIRECTIVE = re.compile(r"\s*#\s*(?P<word>\w+)")
INCLUDE = re.compile(r'\s*#\s*include\s*(?P<quote>[<"])(?P<name>[^>"]+)[>"]')
PRAGMAS = """\
/* Functions of the internal headers may be unused, which clang accepts in a header only. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wunused-function"
#endif

/* What only this file uses is not exported by a shared library that contains it. */
#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif
"""
POP_HIDDEN = """\
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
"""


@dataclass
class Source:
    """A file of the tree: the files that it includes, the system headers that it includes, and its text without either."""

    path: str
    includes: list[str] = field(default_factory=list)
    system_headers: list[str] = field(default_factory=list)
    text: str = ""


def guard_of(path: str) -> str | None:
    return next((guard for pattern, guard in GUARDS if fnmatchcase(path, pattern)), None)


def without_empty_conditionals(lines: list[str]) -> list[str]:
    """Drops each #if ... #endif in which nothing is left, the inner ones first."""
    kept: list[str] = []
    openings: list[int] = []
    for line in lines:
        match = DIRECTIVE.match(line)
        word = match["word"] if match else ""
        if word in ("if", "ifdef", "ifndef"):
            openings.append(len(kept))
        kept.append(line)
        if word == "endif":
            start = openings.pop()
            if not any(inner.strip() and not re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b", inner)
                       for inner in kept[start:]):
                del kept[start:]
    return kept


class Tree:
    """The sources under a root, read once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources: dict[str, Source] = {}

    def resolve(self, path: str, match: re.Match[str]) -> str | None:
        """The path of an included file of the tree, None for a system header."""
        candidates = [f"src/{match['name']}"]
        if match["quote"] == '"':
            candidates.insert(0, str(Path(path).parent / match["name"]))
        found = next((name for name in candidates if (self.root / name).is_file()), None)
        if found is None and match["quote"] == '"':
            sys.exit(f"amalgamate: {path} includes {match['name']}, which is not in src/")
        return found

    def read(self, path: str, hoists: bool) -> Source:
        """Reads a file. `hoists`: system headers that it includes outside of any #if are taken out of its text."""
        if path in self.sources:
            return self.sources[path]
        source = self.sources[path] = Source(path)
        text = (self.root / path).read_text()
        lines: list[str] = []
        depth = 0
        for line, code in zip(text.split("\n"), blank(text, strings=False).split("\n")):
            match = DIRECTIVE.match(code)
            word = match["word"] if match else ""
            depth += (word in ("if", "ifdef", "ifndef")) - (word == "endif")
            included = INCLUDE.match(code)
            if not included:
                if "SPDX-License-Identifier" not in line and not re.match(r"\s*#\s*pragma\s+once", code):
                    lines.append(line)
                continue
            own = self.resolve(path, included)
            if own:
                source.includes.append(own)
            elif not hoists:
                lines.append(line)
            elif depth == 0:
                source.system_headers.append(included["name"])
            else:
                lines += ["#pragma GCC visibility push(default)", line, "#pragma GCC visibility pop"]
        source.text = "\n".join(without_empty_conditionals(lines)).strip("\n") + "\n"
        source.text = re.sub(r"\n{3,}", "\n\n", source.text)
        return source

    def in_order(self, paths: list[str], hoists: bool, done: set[str]) -> list[Source]:
        """The files and what they include, each once and behind what it needs; adds them to `done`."""
        ordered: list[Source] = []

        def visit(path: str) -> None:
            if path not in done:
                done.add(path)
                source = self.read(path, hoists)
                for other in source.includes:
                    visit(other)
                ordered.append(source)

        for path in paths:
            visit(path)
        return ordered


def section(source: Source) -> str:
    guard = guard_of(source.path)
    banner = f"/* {'-' * 20} {source.path} {'-' * max(1, 84 - len(source.path))} */\n"
    if not source.text.strip():
        return ""
    if guard is None:
        return f"\n{banner}{source.text}"
    return f"\n{banner}#if {guard}\n{source.text}#endif /* {source.path} */\n"


def system_headers(sources: list[Source]) -> str:
    """The #include lines of all files, those of one system's files under its #if."""
    groups: dict[str | None, set[str]] = defaultdict(set)
    for source in sources:
        groups[guard_of(source.path)].update(source.system_headers)
    text = "".join(f"#include <{name}>\n" for name in sorted(groups.pop(None, set())))
    for guard, names in sorted(groups.items(), key=str):
        lines = "".join(f"#include <{name}>\n" for name in sorted(names))
        text += f"#if {guard}\n{lines}#endif\n" if names else ""
    return text


def opening(root: Path, name: str, note: str) -> str:
    version = re.findall(r"#define PTK_VERSION_(?:MAJOR|MINOR|PATCH)\s+(\d+)", (root / "src/ptk_version.h").read_text())
    licence = "".join(f" * {line}".rstrip() + "\n" for line in (root / "LICENSE").read_text().strip().split("\n"))
    return (f"/* SPDX-License-Identifier: MIT */\n/*\n * {name}: ptk {'.'.join(version)} in one file. Generated from the "
            f"project's sources by tools/amalgamate.py; do not edit.\n{note} *\n{licence} */\n")


def check_systems(paths: list[str]) -> str:
    """An #error for systems that the tree has no files for."""
    guards = sorted({guard for path in paths if path.startswith("src/sys/") and (guard := guard_of(path))})
    return f"\n#if !({' || '.join(guards)})\n#error \"ptk does not support this system\"\n#endif\n" if guards else ""


def amalgamate(root: Path) -> tuple[str, str]:
    """The text of ptk.c and of ptk.h."""
    tree = Tree(root)
    done: set[str] = set()
    public = tree.in_order(["src/ptk.h"], hoists=False, done=done)
    paths = [str(path.relative_to(root)) for path in (root / "src").rglob("*.c")]
    paths.sort(key=lambda path: (layer_of(path) or 0, path))
    internal = tree.in_order(paths, hoists=True, done=done)

    header = opening(root, "ptk.h", "") + "#pragma once\n" + "".join(map(section, public))
    note = USAGE_NOTE.removesuffix(" */\n")
    code = (opening(root, "ptk.c", note) +
            "#if !defined(_GNU_SOURCE)\n#define _GNU_SOURCE 1 /* the system's extensions, before any of its headers */\n#endif\n\n"
            '#include "ptk.h"\n\n' + system_headers(internal) + "\n" + PRAGMAS + check_systems(paths) +
            "".join(map(section, internal)) + "\n" + POP_HIDDEN)
    return code, header


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--out", type=Path, required=True, help="the folder that ptk.c and ptk.h are written to")
    options = parser.parse_args(arguments)

    code, header = amalgamate(options.root)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "ptk.c").write_text(code)
    (options.out / "ptk.h").write_text(header)
    print(f"amalgamate: {options.out}/ptk.c, {code.count(chr(10))} lines, and ptk.h, {header.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
