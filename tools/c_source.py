# SPDX-License-Identifier: MIT
"""What layers.py, tidy.py, words.py and bug_places.py need of C text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<line>//(?:\\\n|[^\n])*)      # comment to the end of the line
      | (?P<block>/\*.*?\*/)             # comment
      | (?P<string>"(?:\\.|[^"\\\n])*")  # string
      | (?P<char>'(?:\\.|[^'\\\n])*')    # character
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, order=True)
class Violation:
    """A place that breaks a rule, printed so that editors can jump to it."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def _spaces(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def blank(text: str, strings: bool = True) -> str:
    """The text with comments (and the inside of strings) turned to spaces; every line stays where it was."""

    def replace(match: re.Match[str]) -> str:
        found = match.group()
        if match.lastgroup in ("line", "block"):
            return _spaces(found)
        return found[0] + _spaces(found[1:-1]) + found[-1] if strings else found

    return _TOKEN.sub(replace, text)


def line_of(text: str, offset: int) -> int:
    """The number of the line, from 1, in which the character stands."""
    return text.count("\n", 0, offset) + 1


def comments_and_strings(text: str) -> Iterator[tuple[int, str]]:
    """The comments and strings of a C text with the offset of each; the names of included files are none."""
    for match in _TOKEN.finditer(text):
        line_start = text.rfind("\n", 0, match.start()) + 1
        if match.lastgroup in ("line", "block"):
            yield match.start(), match.group()
        elif match.lastgroup == "string" and not re.match(r"\s*#\s*include\b", text[line_start : match.start()]):
            yield match.start(), match.group()
