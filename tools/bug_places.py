# SPDX-License-Identifier: MIT
"""Finds the places of a C file at which tools/plant.py can plant a small bug, and plants several in one copy of the file.

A *place* is a piece of a function's body and what a bug puts there: a condition negated, a comparison off by one, an operand
or a statement left out, a constant, an error or a pair of arguments exchanged. The text is read as this project's style writes
it: a function begins in the first column and ends with a brace in the first column, and every body has braces. What is taken
for something that it is not does not compile, and plant.py leaves it out.

A planted place contains both: `PTK_PLANTED(17) ? bug : code`. Places in one copy do not overlap. Every file keeps its number of
lines, so that the compiler's messages name the places.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from c_source import blank, line_of

CONDITION = "PTK_PLANTED(@N@)"

_OPEN, _CLOSE = "([{", ")]}"
_KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof", "do", "else", "case", "default", "_Alignof", "defined"}
_FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+"}
_ERRORS = ("PTK_OK", "PTK_ERR_TIMEOUT", "PTK_ERR_CLOSED", "PTK_ERR_CANCELED", "PTK_ERR_INVALID_PARAM", "PTK_ERR_NO_RESOURCES")
_ERRNOS = ("EAGAIN", "EINVAL", "ENOMEM", "EINTR", "ECONNRESET", "EMFILE")
# A statement that is an expression: it has effects, and no later line needs it in order to compile.
_EFFECT = re.compile(r"(?:\(void\) *)?[*(]*[A-Za-z_]\w*\s*(?:\(|->|\.|\[|[-+*/%&|^]?=[^=]|<<=|>>=|\+\+|--)")
_UNLINKS = re.compile(r"remove|unlink|unhook|withdraw|disarm|free|close|unref|unpin|drop|leave|detach|unsubscribe|unreserve")
_SYMMETRIC = {"strcmp", "memcmp", "strcasecmp", "ptk_sim_addr_equal"}
_NOT_PLANTED = re.compile(r"\b(?:ptk_assert\w*|_Static_assert|static_assert|PTK_IGNORE|va_\w+|ptk_log)\b")


@dataclass(frozen=True)
class Place:
    """A piece of a file, and the bug that may stand there."""

    file: str
    function: str
    kind: str
    start: int
    end: int
    bug: str  # what stands there with the bug alone
    planted: str  # what stands there with both, PTK_PLANTED(@N@) chooses

    def overlaps(self, other: "Place") -> bool:
        return self.file == other.file and self.start < other.end and other.start < self.end


# --- text ------------------------------------------------------------------------------------------------------------
def functions(code: str) -> Iterator[tuple[str, int, int]]:
    """The name and the body, without its braces, of each function of a blanked text."""
    for match in re.finditer(r"^[A-Za-z_](?:[^\n;{}]|\n(?=[ \t]))*?\b(?!__attribute__)(\w+)\((?:[^;{}])*\) \{$", code, re.MULTILINE):
        end = code.find("\n}", match.end())
        if end > 0 and not match.group().startswith(("struct", "enum", "union", "typedef", "#")):
            yield match[1], match.end(), end


def closing(code: str, start: int) -> int:
    """The offset of the bracket that closes the one at `start`; the end of the text without one."""
    depth = 0
    for offset in range(start, len(code)):
        depth += (code[offset] in _OPEN) - (code[offset] in _CLOSE)
        if depth == 0:
            return offset
    return len(code)


def right_end(code: str, start: int, ends: str) -> int:
    """Where an operand that begins at `start` ends: at the first of the regular expression `ends`, outside brackets."""
    stop = re.compile(ends)
    offset = start
    while offset < len(code):
        if code[offset] in _OPEN:
            offset = closing(code, offset) + 1
            continue
        if code[offset] in _CLOSE + ",;?:" or stop.match(code, offset):
            break
        offset += 1
    return len(code[:offset].rstrip())


def left_start(code: str, end: int, ends: str) -> int:
    """Where an operand that ends at `end` begins: behind the last of `ends`, outside brackets."""
    stop = re.compile(rf"(?:{ends}|(?<![=!<>])=|\breturn\b)\Z")
    offset = end
    while offset > 0:
        before = code[offset - 1]
        if before in _CLOSE:
            depth = 0
            while offset > 0:
                offset -= 1
                depth += (code[offset] in _CLOSE) - (code[offset] in _OPEN)
                if depth == 0:
                    break
            continue
        if before in _OPEN + ",;?:" or (
            stop.search(code[max(0, offset - 8) : offset]) and code[offset - 1 : offset + 1] != "=="
        ):
            break
        offset -= 1
    return end - len(code[offset:end].lstrip())


def flat(text: str) -> str:
    """The text in one line."""
    return re.sub(r"\s*\n\s*", " ", text)


# --- places ----------------------------------------------------------------------------------------------------------
class _Finder:
    """Collects the places of one function."""

    def __init__(self, file: str, text: str, code: str, function: str, start: int, end: int) -> None:
        self.file, self.text, self.code, self.function = file, text, code[:end], function
        self.start, self.end = start, end
        self.places: list[Place] = []

    def source(self, start: int, end: int) -> str:
        return flat(self.text[start:end])

    def add(self, kind: str, start: int, end: int, bug: str, planted: str) -> None:
        if self.start <= start < end <= self.end:
            lines = self.text.count("\n", start, end)
            self.places.append(Place(self.file, self.function, kind, start, end, bug, planted + "\n" * lines))

    def choose(self, kind: str, start: int, end: int, bug: str) -> None:
        """Adds a place at which one expression is exchanged for another one."""
        self.add(kind, start, end, bug, f"({CONDITION} ? {bug} : {self.source(start, end)})")

    def matches(self, pattern: str) -> Iterator[re.Match[str]]:
        return re.compile(pattern).finditer(self.code, self.start, self.end)

    def statement(self, offset: int) -> str:
        """The statement, as blanked, in which the offset lies, from its beginning to the offset."""
        begin = max(self.code.rfind(mark, 0, offset) for mark in ";{}")
        return self.code[begin + 1 : offset].strip()

    def conditions(self) -> None:
        for match in self.matches(r"\b(?:if|while) \("):
            start, end = match.end(), closing(self.code, match.end() - 1)
            condition = self.source(start, end)
            self.add("condition negated", start, end, f"!({condition})", f"{CONDITION} != !!({condition})")
        for match in self.matches(r" \? "):
            start = left_start(self.code, match.start(), r"\Z(?!)")
            condition = self.source(start, match.start())
            self.add("condition negated", start, match.start(), f"!({condition})", f"({CONDITION} != !!({condition}))")

    def operands(self) -> None:
        for match in self.matches(r" (&&|\|\|)\s"):
            ends = r"&&|\|\|" if match[1] == "&&" else r"\|\|"
            end = right_end(self.code, match.end(), ends)
            operand = self.source(match.end(), end)
            whole = f" {match[1]} "
            kept = f"({CONDITION} || ({operand}))" if match[1] == "&&" else f"(!{CONDITION} && ({operand}))"
            self.add("operand left out", match.start(), end, "", whole + kept)

    def comparisons(self) -> None:
        for match in self.matches(r" (<=|>=|<|>|==|!=)\s"):
            equality = match[1] in ("==", "!=")
            ends = r"&&|\|\||[&|^](?![&|=])" + ("" if equality else r"|[=!]=")
            start, end = left_start(self.code, match.start(), ends), right_end(self.code, match.end(), ends)
            left, right = self.source(start, match.start()), self.source(match.end(), end)
            chosen = re.match(r" \? (.*?)\s*: (.*)", self.code[end : end + 200])
            if chosen and not equality and {chosen[1], chosen[2][: len(left)], chosen[2][: len(right)]} >= {left, right}:
                continue  # a minimum or maximum: the bound itself is both
            kind = "comparison negated" if equality else "bound off by one"
            self.choose(kind, start, end, f"{left} {_FLIPPED[match[1]]} {right}")

    def sums(self) -> None:
        for match in self.matches(r"(?<=[\w)\]]) ([+-]) (?=[\w(])"):
            end = right_end(self.code, match.end(), r"[+-] |&&|\|\||[<>=!&|^]")
            operand = self.source(match.end(), end)
            planted = f" {match[1]} ({CONDITION} ? -({operand}) : ({operand}))"
            self.add("sign changed", match.start(), end, f" {_FLIPPED[match[1]]} {operand}", planted)

    def statements(self) -> None:
        for match in self.matches(r"(?:(?<=[;{}])\s+|(?<=:)\n\s*)(?=[A-Za-z_*(])"):
            start = match.end()
            end = right_end(self.code, start, r";|\{")
            if end >= self.end or self.code[end] != ";":
                continue
            text = self.code[start:end]
            if _EFFECT.match(text) and not _NOT_PLANTED.match(text) and text.split("(")[0].strip() not in _KEYWORDS:
                called = re.match(r"(?:\(void\) *)?(\w+)\(", text)
                kind = "unlink left out" if called and _UNLINKS.search(called[1]) else "statement left out"
                self.leave_out(kind, start, end + 1)
            elif re.match(r"(?:return|break|continue|goto)\b", text) and re.match(r";\s*\}", self.code[end : end + 80]):
                if self.text[self.text.rfind("\n", 0, start) + 1 : start] != "    ":  # not the function's last statement
                    self.leave_out("jump left out", start, end + 1)

    def leave_out(self, kind: str, start: int, end: int) -> None:
        self.add(kind, start, end, ";", f"if (!{CONDITION}) {{ {self.source(start, end)} }}")

    def is_constant_context(self, offset: int) -> bool:
        statement = self.statement(offset)
        return bool(re.match(r"(?:static|case|enum|typedef|#)\b", statement)) or self.code[:offset].endswith("[")

    def constants(self, chance: random.Random) -> None:
        for match in self.matches(r"(?<![\w.'\"])(?:(\d+)(?:[uU][lL]*)?|true|false|PTK_OK|PTK_ERR_\w+|E[A-Z]{3,})(?![\w.('\"])"):
            word = match.group()
            if self.is_constant_context(match.start()):
                continue
            if match[1]:
                self.choose("constant changed", match.start(), match.end(), "1" if match[1] == "0" else str(int(match[1]) - 1))
            elif word in ("true", "false"):
                self.choose("constant changed", match.start(), match.end(), "false" if word == "true" else "true")
            elif re.search(r"(?:return|[?:,(=]|[?:] -|return -)\s*\Z", self.code[: match.start()]) and not re.search(
                r"[=!]=\s*\Z", self.code[: match.start()]
            ):
                others = [other for other in (_ERRORS if word.startswith("PTK") else _ERRNOS) if other != word]
                self.choose("wrong error", match.start(), match.end(), chance.choice(others))

    def arguments(self, chance: random.Random) -> None:
        for match in self.matches(r"\b([a-z_]\w*)\("):
            if match[1] in _KEYWORDS | _SYMMETRIC or _NOT_PLANTED.match(match[1]):
                continue
            end = closing(self.code, match.end() - 1)
            cuts, offset = [match.end()], match.end()
            while (offset := right_end(self.code, offset, r",\Z(?!)")) < end and self.code[offset] in ",?:":
                offset += 1
                if self.code[offset - 1] == ",":
                    cuts.append(offset)
            pieces = [self.source(a, b).strip() for a, b in zip(cuts, [cut - 1 for cut in cuts[1:]] + [end], strict=True)]
            if len(pieces) < 2:
                continue
            at = chance.randrange(len(pieces) - 1)
            if pieces[at] != pieces[at + 1]:
                pieces[at], pieces[at + 1] = pieces[at + 1], pieces[at]
                self.choose("arguments exchanged", match.start(), end + 1, f"{match[1]}({', '.join(pieces)})")

    def all(self) -> list[Place]:
        chance = random.Random(f"{self.file} {self.function}")
        self.conditions()
        self.operands()
        self.comparisons()
        self.sums()
        self.statements()
        self.constants(chance)
        self.arguments(chance)
        conditions = {(place.start, place.end) for place in self.places if place.kind == "condition negated"}
        unwanted = [(match.start(), closing(self.code, match.end() - 1))
                    for match in self.matches(rf"{_NOT_PLANTED.pattern}\s*\(")]
        return [place for place in self.places
                if not any(start <= place.start < end for start, end in unwanted)
                and not (place.kind == "comparison negated" and (place.start, place.end) in conditions)]


def find_places(file: str, text: str) -> list[Place]:
    """All places of a file, in their order."""
    code = re.sub(r"^#(?:\\\n|[^\n])*", lambda match: re.sub(r"[^\n]", " ", match.group()), blank(text), flags=re.MULTILINE)
    places = [place for function, start, end in functions(code)
              for place in _Finder(file, text, code, function, start, end).all()]
    return sorted(places, key=lambda place: (place.start, place.end, place.kind, place.bug))


# --- copies ----------------------------------------------------------------------------------------------------------
def plant(text: str, numbered: list[tuple[int, Place]], header: str) -> str:
    """The file with all of the places planted, each under its number."""
    for number, place in sorted(numbered, key=lambda pair: -pair[1].start):
        text = text[: place.start] + place.planted.replace("@N@", str(number)) + text[place.end :]
    return re.sub(r"^#include ", f'#include "{header}"\n#line {line_of_first_include(text)}\n#include ', text, count=1,
                  flags=re.MULTILINE)


def line_of_first_include(text: str) -> int:
    match = re.search(r"^#include ", text, re.MULTILINE)
    return line_of(text, match.start()) if match else 1


def with_bug(text: str, place: Place) -> str:
    """The file with the one bug, as a programmer would have written it."""
    return text[: place.start] + place.bug + text[place.end :]
