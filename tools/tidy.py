#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the C sources to the project's style; every message says what to do instead."""

import argparse
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from c_source import Violation, blank, line_of
from words import check_first_verbs, check_words
from words import FOLDERS as WORD_FOLDERS
from words import SUFFIXES as WORD_SUFFIXES

FOLDERS = ("src/", "sim/", "examples/", "tests/", "bench/")
MAX_COLUMNS = 110
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500  # of a .c in src
AIM_FILE_LINES = 200  # only counted by --stats
MAX_NESTING = 3  # control blocks inside each other, in src
SPDX = "SPDX-License-Identifier: MIT"


@dataclass(frozen=True)
class Ban:
    """A pattern that must not occur, where, and the cure."""

    pattern: str
    folders: tuple[str, ...]
    cure: str
    in_comments: bool = False


def call(names: str) -> str:
    return rf"\b(?:{names})\s*\("


BANS = (
    Ban(call("strcpy|strcat"), ("src/", "sim/"), "copy with a length: memcpy, or snprintf into a buffer whose size is known"),
    Ban(call("sprintf|vsprintf"), ("src/", "sim/"), "use snprintf and look at what it returns"),
    Ban(call("gets"), FOLDERS, "use fgets"),
    Ban(call("atoi|atol"), ("src/", "sim/"), "use strtol and look at errno and the end"),
    Ban(call("alloca"), ("src/", "sim/"), "a green thread's stack is small: use the object's memory or the allocator"),
    Ban(call("_?setjmp|_?longjmp|sigsetjmp|siglongjmp"), ("src/", "sim/"), "return an error; stacks switch in src/context"),
    Ban(call("select"), ("src/", "sim/"), "select cannot hold large descriptors: use the platform's poller"),
    Ban(call("rand|srand|random"), ("src/", "sim/"), "use ptk_choice or the random entry of ptk_sys_t"),
    Ban(call("time|gettimeofday"), ("src/", "sim/"), "wall clocks jump: use the monotonic clock, ptk_now_ns"),
    Ban(call("printf|puts"), ("src/", "sim/"), "a library does not write to stdout: use the log or report sink"),
    Ban(call("sleep|usleep|nanosleep|clock_nanosleep"), ("tests/",), "wait for the event itself; no test sleeps"),
    Ban(r"\b(?:float|double)\b|\b\d+\.\d", ("sim/",),
        "no floating point where runs must be the same everywhere: use integers"),
    Ban(r"\bPTK_API\s+(?:const\s+)?(?:ptk_err\s|ptk_\w+_t\s*\*)", ("src/", "sim/"),
        "an error or an object is not lost: PTK_API PTK_NODISCARD"),
    Ban(r"\b(?:TODO|FIXME|XXX)\b", FOLDERS, "do it now, or write an issue", in_comments=True),
)
# Files that define the same names because a build takes one of them: one per group that the pattern distinguishes.
ALTERNATIVES = (
    re.compile(r"src/context/ptk_context_(aarch64|ucontext|x86_64_\w+)\.c"),
    re.compile(r"src/(?:\w+/)?ptk_\w*?(linux|darwin|freebsd|windows)\w*\.c"),
)


@dataclass(frozen=True)
class Function:
    """A function's definition: its first and last line, and its deepest nesting of control blocks."""

    name: str
    line: int
    last_line: int
    nesting: int

    @property
    def lines(self) -> int:
        return self.last_line - self.line + 1


@dataclass
class Source:
    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def code(self) -> str:
        """The text without comments, the inside of strings and preprocessor lines; all lines in their place."""
        directive = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
        return directive.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), blank(self.text))

    @cached_property
    def functions(self) -> list[Function]:
        return list(find_functions(self.code))

    @property
    def is_public_header(self) -> bool:
        return bool(re.fullmatch(r"(src|sim)/ptk\w*\.h", self.path)) and not re.search(
            r"_impl\.h|/ptk_event_source\.h", self.path)


# --- functions -------------------------------------------------------------------------------------------------------
def name_of_function(head: str) -> str | None:
    """The name of the function that HEAD, the text before a brace at the outermost level, defines; None if none."""
    plain = re.sub(r"__attribute__\s*\(\(.*?\)\)|\b_Alignas\s*\([^)]*\)", " ", head, flags=re.DOTALL)
    match = re.search(r"(\w+)\s*\(", plain)
    if match is None or "=" in plain or not re.search(r"\)[\s\w]*$", plain):
        return None
    return match[1]


def opens_control_block(before: str) -> bool:
    """Is the brace after BEFORE that of `if (...) {`, `else {` or `FOR_EACH(...) {`, not of a value or a bare block?"""
    before = before.rstrip()
    if re.search(r"\b(?:else|do)$", before):
        return True
    if not before.endswith(")"):
        return False
    depth = 0
    for offset in range(len(before) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(before[offset], 0)
        if depth == 0:
            match = re.search(r"(\w+)\s*$", before[:offset])
            return match is not None and match[1] not in ("return", "sizeof", "_Alignof")
    return False


def body_end(code: str, opening: int) -> tuple[int, int]:
    """From the brace that opens a body: the offset of the one that closes it, and the deepest control nesting."""
    blocks: list[bool] = []
    deepest = 0
    for match in re.finditer(r"[{}]", code[opening:]):
        offset = opening + match.start()
        if match.group() == "{":
            blocks.append(offset > opening and opens_control_block(code[opening:offset]))
            deepest = max(deepest, sum(blocks))
        else:
            blocks.pop()
            if not blocks:
                return offset, deepest
    return len(code), deepest


def find_functions(code: str) -> Iterator[Function]:
    head_start = 0
    offset = 0
    while match := re.compile(r"[{};]").search(code, offset):
        offset = match.end()
        head = code[head_start : match.start()]
        if match.group() == "{" and not re.search(r'\bextern\s*"[^"]*"\s*$', head):
            end, nesting = body_end(code, match.start())
            name = name_of_function(head)
            if name is not None:
                first = head_start + len(head) - len(head.lstrip())
                yield Function(name, line_of(code, first), line_of(code, end), nesting)
            offset = end + 1
        head_start = offset


# --- rules -----------------------------------------------------------------------------------------------------------
def check_lines(source: Source) -> Iterator[Violation]:
    if SPDX not in source.lines[0]:
        yield Violation(source.path, 1, f"begin the file with /* {SPDX} */")
    if source.lines[-1] != "":
        yield Violation(source.path, len(source.lines), "end the file with a newline")
    for number, line in enumerate(source.lines, 1):
        if "\t" in line:
            yield Violation(source.path, number, "tab: indent with four spaces (./dev fix)")
        if line != line.rstrip():
            yield Violation(source.path, number, "space at the end of the line: remove it (./dev fix)")
        if len(line) > MAX_COLUMNS:
            yield Violation(source.path, number, f"{len(line)} columns: break the line at {MAX_COLUMNS} (./dev fix)")


def check_bans(source: Source) -> Iterator[Violation]:
    for ban in BANS:
        if not source.path.startswith(ban.folders):
            continue
        for match in re.finditer(ban.pattern, source.text if ban.in_comments else source.code):
            found = match.group().rstrip("( ")
            yield Violation(source.path, line_of(source.text, match.start()), f"{found}: {ban.cure}")


def check_choices(source: Source) -> Iterator[Violation]:
    """C leaves the order of evaluation open, so two decisions of one expression have no order that a seed replays."""
    if not source.path.startswith(("src/", "sim/")):
        return
    for statement in re.finditer(r"[^;{}]+", source.code):
        calls = list(re.finditer(call("ptk_choice"), statement.group()))
        if len(calls) > 1:
            yield Violation(source.path, line_of(source.code, statement.start() + calls[1].start()),
                            "a second ptk_choice in one expression: give each a statement of its own")


def check_functions(source: Source) -> Iterator[Violation]:
    for function in source.functions:
        if function.lines > MAX_FUNCTION_LINES:
            yield Violation(source.path, function.line,
                            f"{function.name} has {function.lines} lines, more than {MAX_FUNCTION_LINES}: split it")
        if function.nesting > MAX_NESTING and source.path.startswith(("src/", "sim/")):
            yield Violation(source.path, function.line,
                            f"{function.name} nests {function.nesting} blocks, more than {MAX_NESTING}: return early, "
                            "or move the inner block into a function")


def check_length(source: Source) -> Iterator[Violation]:
    count = len(source.lines) - 1
    if re.fullmatch(r"(src|sim)/.*\.c", source.path) and count > MAX_FILE_LINES:
        yield Violation(source.path, MAX_FILE_LINES + 1, f"{count} lines, more than {MAX_FILE_LINES}: split the file")


def check_documentation(source: Source) -> Iterator[Violation]:
    """Each PTK_API declaration of a public header has a comment right before it, which says whether it parks."""
    if not source.is_public_header:
        return
    without_comments = blank(source.text)
    for match in re.finditer(r"\bPTK_API\b", source.code):
        # What belongs to the declaration begins after the one before it, or after the last preprocessor line.
        start = max(source.code.rfind(mark, 0, match.start()) + 1 for mark in ";{}")
        for directive in re.finditer(r"^[ \t]*#(?:\\\n|[^\n])*", without_comments[: match.start()], re.MULTILINE):
            start = max(start, directive.end())
        comment = re.search(r"(/\*(?:(?!\*/).)*\*/[ \t]*\n?|(?://[^\n]*\n[ \t]*)+)[ \t]*(?:[\w(][\w\s()]*)?\Z",
                            source.text[start : match.start()], re.DOTALL)
        line = line_of(source.text, match.start())
        if comment is None:
            yield Violation(source.path, line, "no comment before this declaration: write its contract")
        elif not re.search(r"\bparks\b", comment[1], re.IGNORECASE):
            yield Violation(source.path, line, 'the comment does not say "Parks ..." or "Never parks": add it')


def file_local_names(source: Source) -> Iterator[tuple[str, int]]:
    """The static functions and variables, types and macros that a .c defines for itself, with their lines."""
    undefined = set(re.findall(r"^[ \t]*#[ \t]*undef[ \t]+(\w+)", source.text, re.MULTILINE))
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", blank(source.text), re.MULTILINE):
        if match[1] not in undefined:
            yield match[1], line_of(source.text, match.start())
    outermost = blank_bodies(source.code)
    for match in re.finditer(r"[^;{}]*[;{}]", outermost):
        head = re.sub(r"__attribute__\s*\(\(.*?\)\)|\b_Alignas\s*\([^)]*\)", " ", match.group(), flags=re.DOTALL)
        name = None
        if re.search(r"\bstatic\b", head):
            name = re.search(r"(\w+)\s*\(|(\w+)\s*(?:\[[^]]*\]\s*)*[=;{]", head)
        elif head.endswith("{"):
            name = re.search(r"\b(?:struct|union|enum)\s+(\w+)\s*{", head)
        if name is not None and name[name.lastindex or 0] not in ("_Static_assert", "struct", "union", "enum"):
            first = match.start() + len(match.group()) - len(match.group().lstrip())
            yield name[name.lastindex or 0], line_of(source.code, first)
    typedefs = r"} *(\w+);|^typedef\b[^;{]*?\(\*\s*(\w+)\)|^typedef\b[^;{(]*?(\w+);"
    for match in re.finditer(typedefs, outermost, re.MULTILINE):
        yield match[match.lastindex or 0], line_of(source.code, match.start())


def blank_bodies(code: str) -> str:
    """The code with what stands between the outermost braces blanked."""
    result, depth = [], 0
    for character in code:
        depth -= character == "}"
        result.append(character if depth == 0 or character == "\n" else " ")
        depth += character == "{"
    return "".join(result)


def are_alternatives(one: str, other: str) -> bool:
    for pattern in ALTERNATIVES:
        matches = pattern.fullmatch(one), pattern.fullmatch(other)
        if matches[0] and matches[1] and matches[0][1] != matches[1][1]:
            return True
    return False


def check_names(sources: list[Source]) -> Iterator[Violation]:
    """All .c of src may be compiled as one file, and all of sim: what each defines for itself has a name of its own."""
    for folder in ("src/", "sim/"):
        places: dict[str, list[tuple[str, int]]] = {}
        for source in sources:
            if source.path.startswith(folder) and source.path.endswith(".c"):
                for name, line in dict(reversed(list(file_local_names(source)))).items():
                    places.setdefault(name, []).append((source.path, line))
        for name, found in sorted(places.items()):
            for path, line in found:
                others = [f"{other}:{other_line}" for other, other_line in found
                          if other != path and not are_alternatives(path, other)]
                if others:
                    yield Violation(path, line,
                                    f"{name} is defined in {' and '.join(others)} too: give it its module's noun")


def check_language(source: Source) -> Iterator[Violation]:
    yield from check_words(source.path, source.text)
    yield from check_first_verbs(source.path, source.text)


RULES: tuple[Callable[[Source], Iterator[Violation]], ...] = (
    check_lines, check_bans, check_choices, check_functions, check_length, check_documentation)


# --- command ---------------------------------------------------------------------------------------------------------
def list_files(root: Path, folders: tuple[str, ...] = FOLDERS, suffixes: tuple[str, ...] = (".c", ".h")) -> list[str]:
    """What git tracks or would track of these folders; without git, everything."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, text=True) if (root / ".git").exists() else None
    if listing is not None and listing.returncode == 0:
        names = [name for name in listing.stdout.splitlines() if (root / name).is_file()]
    else:
        paths = [path for folder in folders for path in (root / folder, *(root / folder).rglob("*"))]
        names = [str(path.relative_to(root)) for path in paths if path.is_file()]
    return sorted(name for name in set(names) if name.startswith(folders) and name.endswith(suffixes))


def read(root: Path, names: list[str]) -> list[Source]:
    return [Source(name, (root / name).read_bytes().decode()) for name in names]


def language_violations(root: Path) -> list[Violation]:
    """What the rules of language and of names find."""
    sources = read(root, list_files(root, WORD_FOLDERS, WORD_SUFFIXES))
    return sorted({violation for source in sources for violation in check_language(source)} | set(check_names(sources)))


def print_words(root: Path, paths: list[str]) -> int:
    """All violations of language and names below the paths, then how many there are per folder."""
    found = [violation for violation in language_violations(root) if violation.file.startswith(tuple(paths or [""]))]
    counts: dict[str, int] = {}
    for violation in found:
        print(violation)
        folder = "/".join(violation.file.split("/")[:-1][:2]) or violation.file
        counts[folder] = counts.get(folder, 0) + 1
    for folder, count in sorted(counts.items()):
        print(f"{count:5} {folder}", file=sys.stderr)
    print(f"{len(found):5} in all", file=sys.stderr)
    return 1 if found else 0


def check(source: Source) -> list[Violation]:
    return [violation for rule in RULES for violation in rule(source)]


def quantiles(values: list[int]) -> str:
    """The median, the ninth decile and the maximum."""
    ordered = sorted(values) or [0]
    return f"{statistics.median(ordered):g}/{ordered[(len(ordered) * 9) // 10 - (len(ordered) == 1)]}/{ordered[-1]}"


def comment_lines(text: str) -> int:
    """Lines of TEXT that hold a comment or a part of one."""
    return sum(match.group().count("\n") + 1 for match in re.finditer(r"/\*.*?\*/", text, re.DOTALL))


def per_thousand(pattern: str, sources: list[Source]) -> str:
    lines = sum(len(source.lines) - 1 for source in sources)
    found = sum(len(re.findall(pattern, source.text, re.MULTILINE)) for source in sources)
    return f"{found * 1000 / lines if lines else 0:.1f}"


def print_stats(sources: list[Source]) -> None:
    """Prints the figures of src and of sim, then the files that are longer than what they aim at."""
    for folder in ("src/", "sim/"):
        core = [source for source in sources if source.path.startswith(folder)]
        lines = sum(len(source.lines) - 1 for source in core)
        functions = [function.lines for source in core for function in source.functions]
        files = [len(source.lines) - 1 for source in core if source.path.endswith(".c")]
        comments = sum(comment_lines(source.text) for source in core)
        print(f"{folder} {len(core)} files, {lines} lines; functions {len(functions)}, lines median/p90/max "
              f"{quantiles(functions)}; .c lines {quantiles(files)}; #if per 1,000 lines "
              f"{per_thousand(r'^[ ]*#[ ]*(?:if|ifdef|ifndef|elif)', core)}; comments {comments * 100 // max(lines, 1)} %")
    for folder in ("src/sched/", "src/wait/", "src/net/", "src/platform/"):
        part = [source for source in sources if source.path.startswith(folder)]
        print(f"{folder} assertions per 1,000 lines {per_thousand(r'ptk_assert[(]', part)}")
    for source in sources:
        if source.path.startswith(("src/", "sim/")) and source.path.endswith(".c") and len(source.lines) > AIM_FILE_LINES:
            print(f"over {AIM_FILE_LINES} lines: {source.path} ({len(source.lines) - 1})")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--stats", action="store_true", help="also print the lengths of functions and files in src")
    parser.add_argument("--words", action="store_true",
                        help="print only what the rules of language and of names find, and how much of it per folder")
    parser.add_argument("paths", nargs="*", help="with --words: only of files whose path begins so")
    options = parser.parse_args(arguments)
    if options.words:
        return print_words(options.root, options.paths)

    sources = read(options.root, list_files(options.root))
    violations = sorted([violation for source in sources for violation in check(source)] +
                        language_violations(options.root))
    for violation in violations:
        print(violation)
    if options.stats:
        print_stats(sources)
    if violations:
        return 1
    print(f"tidy: {len(sources)} files, no violations")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
