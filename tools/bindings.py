#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the tables of docs/bindings.md, for callers that cannot read the C headers: constants, layouts of structs, and the
functions behind macros. A C program prints the values, so that they are those of the compiler."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/bindings.md"
BEGIN, END = "<!-- tables: tools/bindings.py -->\n", "<!-- end of the tables -->\n"
NOT_PUBLIC = "ptk_event_source.h"


@dataclass(frozen=True)
class Field:
    name: str
    kind: str


@dataclass(frozen=True)
class Struct:
    name: str
    fields: tuple[Field, ...]


def headers() -> dict[str, str]:
    """The public headers of the core library without comments, with continued lines joined, by name."""
    paths = sorted(path for path in (ROOT / "src").glob("ptk_*.h") if path.name != NOT_PUBLIC)
    text = {path.name: re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL) for path in paths}
    return {name: re.sub(r"\\\n", " ", part) for name, part in text.items()}


def constants(text: str) -> list[str]:
    """Names of macros without parameters that are numbers, and of enumerators, in order."""
    found: list[tuple[int, str]] = []
    for match in re.finditer(r"^[ \t]*#[ \t]*define (PTK_[A-Z0-9_]+)[ \t]+(\S.*)$", text, re.MULTILINE):
        if re.match(r"[\d(]|U?INT\d+_|PTK_", match[2]):
            found.append((match.start(), match[1]))
    for match in re.finditer(r"\benum\b[^{};]*\{([^}]*)\}", text):
        found += [(match.start(1) + name.start(), name[1]) for name in re.finditer(r"(?:^|,)\s*(PTK_[A-Z0-9_]+)\b(?!\()", match[1])]
    return [name for _, name in sorted(found)]


def errors(text: str) -> list[str]:
    return re.findall(r"\bX\((PTK_\w+),", text)


def field_of(declaration: str) -> Field:
    """The field of a declaration without its semicolon: `void *(*suspend)(void *context)`, `const char *name`."""
    function = re.search(r"\(\*(\w+)\)", declaration)
    if function:
        return Field(function[1], "function")
    match = re.fullmatch(r"(.*?[ *])(\w+)(\[\w+\])?", declaration.strip(), re.DOTALL)
    if match is None:
        raise SystemExit(f"tools/bindings.py: cannot read the field {declaration!r}")
    return Field(match[2], (match[1].strip() + (match[3] or "")).replace(" *", "*"))


def structs(text: str) -> list[Struct]:
    found = []
    for match in re.finditer(r"^typedef struct ptk_\w+ \{(.*?)^\} (ptk_\w+_t);", text, re.MULTILINE | re.DOTALL):
        declarations = [" ".join(part.split()) for part in match[1].split(";") if part.strip()]
        found.append(Struct(match[2], tuple(field_of(part) for part in declarations)))
    return found


def macros_over_functions(text: str) -> set[str]:
    return set(re.findall(r"^[ \t]*#[ \t]*define (ptk_\w+)\(", text, re.MULTILINE))


# --- values ----------------------------------------------------------------------------------------------------------
def program(names: list[str], found: list[Struct], initialisers: list[str]) -> str:
    """A C program that prints a line `KEY VALUE` for each constant, size, offset, and initialiser that is all zero but for
    its size."""
    lines = [f'    printf("{name} %s\\n", text_of((int64_t) ({name}), ({name}) > 0));' for name in names]
    for struct in found:
        lines.append(f'    printf("{struct.name} %zu\\n", sizeof({struct.name}));')
        for field in struct.fields:
            place = f"{struct.name}, {field.name}"
            lines.append(f'    printf("{struct.name}.{field.name} %zu:%zu\\n", offsetof({place}), sizeof((({struct.name} *) 0)->{field.name}));')
    for struct in initialisers:
        macro = struct.removesuffix("_t").upper() + "_INIT"
        lines.append(f'    {{ {struct} made = {macro}, zero; memset(&zero, 0, sizeof zero); zero.struct_size = sizeof zero;'
                     f' printf("{macro} %d\\n", memcmp(&made, &zero, sizeof zero)); }}')
    return ("#include <ptk.h>\n#include <inttypes.h>\n#include <stdio.h>\n#include <string.h>\n"
            "static const char *text_of(int64_t value, int positive) {\n    static char text[32];\n"
            "    snprintf(text, sizeof text, positive ? \"%\" PRIu64 : \"%\" PRId64, value);\n    return text;\n}\n"
            "int main(void) {\n" + "\n".join(lines) + "\n    return 0;\n}\n")


def run_program(text: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "values.c", Path(folder) / "values"
        source.write_text(text)
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-w", f"-I{ROOT / 'src'}", source, "-o", target], check=True)
        output = subprocess.run([target], check=True, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in output.splitlines())


# --- tables ----------------------------------------------------------------------------------------------------------
def tables() -> str:
    by_header = headers()
    names = {header: constants(text) for header, text in by_header.items()}
    names["ptk_err.h"] += errors(by_header["ptk_err.h"])
    found = [struct for text in by_header.values() for struct in structs(text)]
    initialisers = [struct.name for struct in found if struct.fields[0].name == "struct_size"]
    values = run_program(program([name for part in names.values() for name in part], found, initialisers))
    lines = ["### Constants", "", "| Constant | Value | Header |", "|---|---|---|"]
    lines += [f"| `{name}` | {values[name]} | `{header}` |" for header, part in names.items() for name in part]
    lines += ["", "### Structs", "", "Layouts of 64-bit Linux: bytes, then each field's offset, bytes and type.", "",
              "| Struct | Bytes | Fields |", "|---|---|---|"]
    for struct in found:
        fields = ", ".join(f"`{field.name}` {values[f'{struct.name}.{field.name}'].replace(':', '+')} `{field.kind}`" for field in struct.fields)
        lines.append(f"| `{struct.name}` | {values[struct.name]} | {fields} |")
    wrong = [struct for struct in initialisers if values[struct.removesuffix("_t").upper() + "_INIT"] != "0"]
    if wrong:
        raise SystemExit(f"tools/bindings.py: not zero but for struct_size, which {PAGE} says: the initialisers of {wrong}")
    exported = set((ROOT / "tools/exports.txt").read_text().split())
    behind = sorted(set().union(*(macros_over_functions(text) for text in by_header.values())))
    missing = [name for name in behind if name not in exported]
    if missing:
        raise SystemExit(f"tools/bindings.py: macros without an exported function of the same name: {missing}")
    lines += ["", "### Functions that C calls through a macro", "", ", ".join(f"`{name}`" for name in behind) + ".", ""]
    return "\n".join(lines)


def with_tables(page: str, text: str) -> str:
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help=f"fail if {PAGE} has other tables, and write nothing")
    options = parser.parse_args(arguments)
    path = ROOT / PAGE
    page = path.read_text()
    wanted = with_tables(page, tables())
    if not options.check:
        path.write_text(wanted)
        print(f"wrote {PAGE}")
    elif page != wanted:
        print(f"{PAGE} is not what the headers say. If the new values are meant: ./dev exports")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
