# SPDX-License-Identifier: MIT
"""Shared by the callers in other languages: the library, and what docs/bindings.md says."""

import os
import re
from pathlib import Path

from harness import skip

build = Path(os.environ["PTK_BUILD_DIR"])
source = Path(os.environ["PTK_SOURCE_DIR"])
page = (source / "docs/bindings.md").read_text()


def library() -> Path:
    """Returns libptk.so; skips the test where it needs more than itself, or was not built."""
    cache = (build / "CMakeCache.txt").read_text()
    if re.search(r"^PTK_SANITIZE:\w+=.", cache, re.MULTILINE) or re.search(r"^CMAKE_BUILD_TYPE:\w+=Coverage", cache, re.MULTILINE):
        skip("this build's library needs a program with flags of its own")
    path = build / "libptk.so"
    if not path.exists():
        skip("this build has no libptk.so")
    return path


def constants() -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^\| `(PTK_\w+)` \| (-?\d+) \|", page, re.MULTILINE)}


def layouts() -> dict[str, tuple[int, dict[str, tuple[int, int]]]]:
    """Of each struct the bytes, and of each field the offset and the bytes."""
    found = {}
    for name, size, fields in re.findall(r"^\| `(ptk_\w+)` \| (\d+) \| (.*) \|$", page, re.MULTILINE):
        places = re.findall(r"`(\w+)` (\d+)\+(\d+) ", fields)
        found[name] = (int(size), {field: (int(offset), int(length)) for field, offset, length in places})
    return found
