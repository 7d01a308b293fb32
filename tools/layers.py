#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the sources to their layers: a file includes, and needs at link time, only its own layer or lower ones.

Checked from the text: includes, platform #ifs, descriptors above the platform layer. Checked from the objects of a
build (--build): upward symbols, cycles between files, and OS symbols outside src/sys.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from c_source import Violation, blank, line_of

# The layer of each folder, its own folders included, and of each file that lies in src/ itself.
LAYERS: dict[str, int] = {
    "src/sys/": 0,
    "src/base/": 0,
    "src/ptk_api.h": 0,
    "src/ptk_os_net.h": 0,
    "src/ptk_err.h": 0,
    "src/ptk_time.h": 0,
    "src/ptk_version.h": 0,
    "src/ptk_alloc.h": 0,
    "src/ptk_log.h": 0,
    "src/context/": 1,
    "src/ptk_event_source.h": 1,
    "src/platform/": 2,
    "src/ptk_event_loop_platform.c": 2,
    "src/ptk_event_loop_platform.h": 2,
    "src/sched/": 3,
    "src/ptk_cancel.h": 3,
    "src/ptk_foreign.h": 3,
    "src/ptk_green.h": 3,
    "src/ptk_scheduler.h": 3,
    "src/wait/": 4,
    "src/ptk_waitable.c": 4,
    "src/ptk_waitable.h": 4,
    "src/ptk_diagnose.h": 4,
    "src/net/": 5,
    "src/ptk_sock.c": 5,
    "src/ptk_sock.h": 5,
    "src/ptk_addr.h": 5,
    "src/ptk_tcp.h": 5,
    "src/ptk.h": 6,  # includes every public header, and no source includes it
    "sim/kernel/": 6,
    "sim/platform/": 7,
    "sim/world/": 8,
    "sim/ptk_sim.h": 8,
    "sim/run/": 9,
    "examples/": 10,
    "bench/": 10,
    "tests/support/": 11,
    "tests/": 12,
}
INCLUDE_FOLDERS = ("src/", "", "sim/", "tests/support/", "tests/", "examples/")
LIBRARIES = ("src/", "sim/")  # programs may call the system, use descriptors and test for the platform
PLATFORM_LAYER = 2

# Where an #if may depend on the platform or the CPU.
CONDITIONALS_ALLOWED = ("src/sys/*", "src/context/*", "src/platform/*", "src/ptk_os_net.h", "src/ptk_api.h")
PLATFORM_MACRO = re.compile(
    r"\b(__(linux|gnu_linux|unix|ANDROID|APPLE|MACH|FreeBSD|NetBSD|OpenBSD|DragonFly|sun|CYGWIN|MINGW32|MINGW64|GLIBC"
    r"|GLIBC_MINOR|UCLIBC|BIONIC)_{0,2}"
    r"|__(x86_64|amd64|i386|aarch64|arm|riscv|powerpc|powerpc64|s390x|mips|sparc|loongarch)(__)?"
    r"|__(SSE|AVX|ARM|CET)\w*|_WIN32|_WIN64|WIN32|WIN64|_M_\w+|linux|unix)\b")

# Symbols that any object may need although no ptk object defines them.
RUNTIME_SYMBOL = re.compile(
    r"__errno_location|(mem|str)[a-z]+|bcmp|__(mem|str)[a-z]+_chk"  # errno, memory and strings
    r"|__(asan|tsan|ubsan|lsan|msan|sanitizer|gcov|llvm|profc)_\w+|llvm_\w+"  # sanitizers, coverage
    r"|__stack_chk_(fail|guard)|_GLOBAL_OFFSET_TABLE_|_TLS_MODULE_BASE_|__tls_get_addr"  # code generation
    r"|__[a-z]+[sdt]i[234]|__aarch64_\w+|__clear_cache")  # libgcc
CONTEXT_SYMBOL = re.compile(r"(get|set|make|swap)context")
OBJECT_FOLDERS = "CMakeFiles/*.dir"  # one per target


@dataclass
class Object:
    """One compiled source: what it defines for others and what it needs from them."""

    defined: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)


@dataclass
class Tree:
    """The sources, by their path from the root, with comments blanked; the objects that a build made of them."""

    texts: dict[str, str]
    objects: dict[str, Object] = field(default_factory=dict)


Graph = Mapping[str, Mapping[str, list[str]]]  # file -> file that it needs -> why (symbols)


def matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def layer_of(path: str) -> int | None:
    if path in LAYERS:
        return LAYERS[path]
    folders = [row for row in LAYERS if row.endswith("/") and path.startswith(row)]
    return LAYERS[max(folders, key=len)] if folders else None


def in_library(path: str) -> bool:
    return path.startswith(LIBRARIES)


# --- reading ---------------------------------------------------------------------------------------------------------
def read_tree(root: Path) -> Tree:
    folders = sorted({row.split("/")[0] for row in LAYERS})
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*") if path.suffix in (".c", ".h", ".S"))
    return Tree({str(path.relative_to(root)): blank(path.read_text(), strings=False) for path in paths})


def read_object(path: Path) -> Object:
    listing = subprocess.run(["nm", "-P", str(path)], check=True, capture_output=True, text=True).stdout
    found = Object()
    for name, kind, *_ in map(str.split, listing.splitlines()):
        if kind in ("U", "w", "v"):
            found.needed.add(name)
        elif kind.isupper():
            found.defined.add(name)
    return found


def read_objects(tree: Tree, build: Path) -> None:
    """Adds the build's objects to the tree, one for each source; a leftover, whose source is gone, does not count."""
    for folder in sorted(build.glob(OBJECT_FOLDERS)):
        for path in sorted(folder.rglob("*.o")):
            source = str(path.relative_to(folder))[: -len(".o")]
            if source in tree.texts and source not in tree.objects:
                tree.objects[source] = read_object(path)


# --- graphs ----------------------------------------------------------------------------------------------------------
def symbol_graph(tree: Tree) -> Graph:
    """A program may define a symbol of the library anew, for itself: then the library's definition counts."""
    definers: dict[str, list[str]] = defaultdict(list)
    in_libraries = set[str]().union(*(found.defined for file, found in tree.objects.items() if in_library(file)))
    for file, found in tree.objects.items():
        for symbol in found.defined if in_library(file) else found.defined - in_libraries:
            definers[symbol].append(file)
    graph: dict[str, dict[str, list[str]]] = {}
    for file, found in tree.objects.items():
        edges: dict[str, list[str]] = defaultdict(list)
        for symbol in sorted(found.needed):
            for definer in definers.get(symbol, ()):
                edges[definer].append(symbol)
        graph[file] = {other: edges[other] for other in sorted(edges) if other != file}
    return graph


def includes(tree: Tree, file: str) -> Iterator[tuple[int, str]]:
    """Line and path of each ptk header that the file includes."""
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', tree.texts[file], re.MULTILINE):
        beside = str(Path(file).parent / match[1])
        for path in (os.path.normpath(beside), *(f"{folder}{match[1]}" for folder in INCLUDE_FOLDERS)):
            if path in tree.texts:
                yield line_of(tree.texts[file], match.start(1)), path
                break


def include_graph(tree: Tree) -> Graph:
    return {file: {path: ["#include"] for _, path in includes(tree, file) if path != file} for file in tree.texts}


def path_between(graph: Graph, start: str, goal: str) -> list[str]:
    """The shortest way along the edges; from a file to itself it is the shortest cycle. Empty: there is none."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        file = queue.popleft()
        for other in graph.get(file, {}):
            if other == goal:
                way = [goal, file]
                while file != start:
                    file = came_from[file]
                    way.append(file)
                return way[::-1]
            if other not in came_from and other != start:
                came_from[other] = file
                queue.append(other)
    return []


def cycles(graph: Graph) -> Iterator[list[str]]:
    """One shortest cycle for each knot of files; a file is named in at most one of them."""
    seen: set[str] = set()
    for file in sorted(graph):
        way = [] if file in seen else path_between(graph, file, file)
        if way and not seen.intersection(way):
            seen.update(way)
            yield way


# --- rules -----------------------------------------------------------------------------------------------------------
def line_with(tree: Tree, file: str, word: str) -> int:
    match = re.search(rf"\b{re.escape(word)}\b", tree.texts[file])
    return line_of(tree.texts[file], match.start()) if match else 1


def check_rows(tree: Tree) -> Iterator[Violation]:
    for file in tree.texts:
        if layer_of(file) is None:
            yield Violation(file, 1, "is on no layer; give it a row in LAYERS of tools/layers.py")


def check_includes(tree: Tree) -> Iterator[Violation]:
    for file in tree.texts:
        layer = layer_of(file)
        for line, path in includes(tree, file):
            above = layer_of(path)
            if layer is not None and above is not None and above > layer:
                yield Violation(file, line, f"layer {layer} includes {path} of layer {above}")


def describe_cycle(graph: Graph, way: list[str]) -> str:
    steps = (f"{file} -> {other} ({', '.join(graph[file][other])})" for file, other in zip(way, way[1:]))
    return "cycle: " + "; ".join(steps)


def check_include_cycles(tree: Tree) -> Iterator[Violation]:
    graph = include_graph(tree)
    for way in cycles(graph):
        line = next(line for line, path in includes(tree, way[0]) if path == way[1])
        yield Violation(way[0], line, describe_cycle(graph, way))


def check_conditionals(tree: Tree) -> Iterator[Violation]:
    directive = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b(?:\\\n|[^\n])*", re.MULTILINE)
    for file, text in tree.texts.items():
        if matches(file, CONDITIONALS_ALLOWED) or not in_library(file):
            continue
        for match in directive.finditer(text):
            macro = PLATFORM_MACRO.search(match.group())
            if macro:
                line = line_of(text, match.start())
                yield Violation(file, line, f"#if on {macro.group()}; only {', '.join(CONDITIONALS_ALLOWED)} may")


def check_descriptors(tree: Tree) -> Iterator[Violation]:
    descriptor = re.compile(r"\bint\s+\**\s*(?:\w*_)?fds?(?:_out)?\b(?!\s*\()")
    for file, text in tree.texts.items():
        if (layer_of(file) or 0) <= PLATFORM_LAYER or not in_library(file):
            continue
        for match in descriptor.finditer(text):
            yield Violation(file, line_of(text, match.start()),
                            f"'{match.group()}' above layer {PLATFORM_LAYER}; use ptk_os_handle_t")


def check_upward_symbols(tree: Tree) -> Iterator[Violation]:
    for file, edges in symbol_graph(tree).items():
        layer = layer_of(file)
        for other, symbols in edges.items():
            above = layer_of(other)
            if layer is not None and above is not None and above > layer:
                for symbol in symbols:
                    yield Violation(file, line_with(tree, file, symbol),
                                    f"layer {layer} needs {symbol} of {other}, layer {above}")


def check_symbol_cycles(tree: Tree) -> Iterator[Violation]:
    graph = symbol_graph(tree)
    for way in cycles(graph):
        yield Violation(way[0], line_with(tree, way[0], graph[way[0]][way[1]][0]), describe_cycle(graph, way))


def os_symbol_allowed(file: str, symbol: str) -> bool:
    if file.startswith(("src/sys/", "sim/run/")) or RUNTIME_SYMBOL.fullmatch(symbol):
        return True
    return file.startswith("src/context/") and CONTEXT_SYMBOL.fullmatch(symbol) is not None


def check_os_symbols(tree: Tree) -> Iterator[Violation]:
    defined = set[str]().union(*(found.defined for found in tree.objects.values()))
    for file, found in tree.objects.items():
        for symbol in sorted(found.needed - defined) if in_library(file) else ():
            if not os_symbol_allowed(file, symbol):
                yield Violation(file, line_with(tree, file, symbol),
                                f"needs {symbol}, which ptk does not define; only src/sys calls the system")


TEXT_RULES: tuple[Callable[[Tree], Iterator[Violation]], ...] = (
    check_rows, check_includes, check_include_cycles, check_conditionals, check_descriptors)
OBJECT_RULES: tuple[Callable[[Tree], Iterator[Violation]], ...] = (
    check_upward_symbols, check_symbol_cycles, check_os_symbols)


# --- command ---------------------------------------------------------------------------------------------------------
def print_graph(tree: Tree) -> None:
    for file, edges in sorted(symbol_graph(tree).items(), key=lambda item: (layer_of(item[0]) or 0, item[0])):
        print(f"{layer_of(file)} {file}")
        for other, symbols in edges.items():
            print(f"    {layer_of(other)} {other}: {' '.join(symbols)}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--build", type=Path, help="a build directory; without it only the text is checked")
    parser.add_argument("--graph", action="store_true", help="print which file needs which symbols of which")
    options = parser.parse_args(arguments)
    if options.graph and not options.build:
        parser.error("--graph needs --build")

    tree = read_tree(options.root)
    rules = TEXT_RULES
    if options.build:
        read_objects(tree, options.build)
        rules += OBJECT_RULES
        if not tree.objects:
            print(f"{options.build}: has no objects of these sources in {OBJECT_FOLDERS}; build first", file=sys.stderr)
            return 2
    if options.graph:
        print_graph(tree)
        return 0
    violations = sorted(violation for rule in rules for violation in rule(tree))
    for violation in violations:
        print(violation)
    if violations:
        return 1
    edges = sum(len(edges) for edges in symbol_graph(tree).values())
    print(f"layers: {len(tree.texts)} files, {len(tree.objects)} objects, {edges} symbol edges, all on their layers")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
