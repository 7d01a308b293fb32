#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes one file of a small tree with tools/amalgamate.py and looks at it, and compiles it."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import amalgamate  # noqa: E402

TREE = {
    "LICENSE": "Licence text.\n",
    "src/ptk.h": "#pragma once\n#include <ptk_time.h>\n#include <ptk_version.h>\n",
    "src/ptk_version.h": "#pragma once\n#define PTK_VERSION_MAJOR 1\n#define PTK_VERSION_MINOR 2\n#define PTK_VERSION_PATCH 3\n",
    "src/ptk_time.h": '#pragma once\n#include <stdint.h>\n#define PTK_API __attribute__((visibility("default")))\n'
                      "PTK_API uint64_t ptk_now(void);\n",
    "src/base/ptk_list.h": "#pragma once\n#include <stddef.h>\nstatic inline size_t ptk_list_count(void) { return 3; }\n",
    "src/base/ptk_time.c": '#include <ptk_time.h>\n\n#include "base/ptk_list.h"\n#include "sys/ptk_sys.h"\n#include <string.h>\n'
                           "uint64_t ptk_now(void) { return ptk_list_count() + ptk_sys() + strlen(\"\"); }\n",
    "src/sys/ptk_sys.h": "#pragma once\nunsigned ptk_sys(void);\n",
    "src/sys/ptk_sys_linux.c": '#include "sys/ptk_sys.h"\n#include "base/ptk_list.h"\n#include <unistd.h>\n'
                               "unsigned ptk_sys(void) { return (unsigned) getpagesize(); }\n",
    "src/context/ptk_context.h": '#pragma once\n#if defined(PTK_CONTEXT_UCONTEXT)\n#include "context/ptk_context_ucontext.h"\n'
                                 "#endif\nint ptk_context(void);\n",
    "src/context/ptk_context_ucontext.h": "#pragma once\ntypedef int ptk_slow_t;\n",
    "src/context/ptk_context_ucontext.c": '#include "context/ptk_context.h"\n#include <ucontext.h>\n#include "context/ptk_fp.h"\n'
                                          "ptk_slow_t ptk_slow;\n",
    "src/context/ptk_context_x86_64_sysv.c": '#include "context/ptk_context.h"\n#include "context/ptk_fp.h"\nint ptk_fast;\n',
    "src/context/ptk_fp.h": "#pragma once\ntypedef int ptk_fp_t;\n",
}


class AmalgamateTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def make(self, **extra: str) -> tuple[str, str]:
        """Writes the tree and the extra files, where __ stands for / and a file is a .c: the two texts."""
        more = {f"src/{name.replace('__', '/')}.c": text for name, text in extra.items()}
        for name, text in {**TREE, **more}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if name == "LICENSE" else "/* SPDX-License-Identifier: MIT */\n" + text)
        code, header = amalgamate.amalgamate(self.root)
        (self.root / "ptk.c").write_text(code)
        (self.root / "ptk.h").write_text(header)
        return code, header

    def compile(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", *arguments, "ptk.c"],
                              cwd=self.root, capture_output=True, text=True)

    def test_the_header_has_each_public_header_once_and_nothing_internal(self) -> None:
        _, header = self.make()
        self.assertEqual(header.count("uint64_t ptk_now(void);"), 1)
        self.assertEqual(header.count("#pragma once"), 1)
        self.assertNotIn("ptk_list", header)
        self.assertNotIn("<ptk_", header)
        self.assertIn("ptk 1.2.3", header)

    def test_an_internal_header_stands_once_before_its_users(self) -> None:
        code, _ = self.make()
        self.assertEqual(code.count("static inline size_t ptk_list_count"), 1)
        self.assertLess(code.index("static inline size_t ptk_list_count"), code.index("uint64_t ptk_now(void) {"))
        self.assertNotIn('#include "base', code)

    def test_the_licence_stands_once_and_the_tags_of_the_parts_are_gone(self) -> None:
        for text in self.make():
            self.assertEqual(text.count("Licence text."), 1)
            self.assertEqual(text.count("SPDX-License-Identifier"), 1)

    def test_files_of_one_system_or_cpu_and_their_system_headers_are_guarded(self) -> None:
        code, _ = self.make()
        self.assertIn("#if defined(__linux__)\n#include <unistd.h>\n#endif\n", code)
        self.assertIn("#if defined(PTK_CONTEXT_UCONTEXT)\ntypedef int ptk_slow_t;\n#endif", code)
        self.assertIn("#if !defined(PTK_CONTEXT_UCONTEXT) && defined(__x86_64__)\nint ptk_fast;\n#endif", code)

    def test_what_two_guarded_files_need_is_not_guarded(self) -> None:
        code, _ = self.make()
        before = code[:code.index("typedef int ptk_fp_t;")].split("\n")
        self.assertTrue(before[-2].startswith("/* ---"), before[-2:])

    def test_a_conditional_with_nothing_left_is_gone(self) -> None:
        code, _ = self.make()
        self.assertIn("----- */\nint ptk_context(void);\n", code)

    def test_it_compiles_alone_and_exports_what_the_header_declares(self) -> None:
        self.make()
        made = self.compile("-fPIC", "-shared", "-o", "ptk.so")
        self.assertEqual(made.returncode, 0, made.stderr)
        listing = subprocess.run(["nm", "-D", "--defined-only", "ptk.so"], cwd=self.root, capture_output=True, text=True, check=True)
        self.assertEqual([line.split()[-1] for line in listing.stdout.splitlines()], ["ptk_now"])

    def test_a_conditional_system_header_keeps_its_visibility(self) -> None:
        self.make(base__probe="#if 1\n#include <poll.h>\n#endif\nint ptk_probe(void);\nint ptk_probe(void) { return poll(0, 0, 0); }\n")
        made = self.compile("-fPIC", "-shared", "-o", "ptk.so")
        self.assertEqual(made.returncode, 0, made.stderr)

    def test_a_name_that_two_files_define_is_refused_by_the_compiler(self) -> None:
        self.make(base__a="static int twice(void) { return 1; }\nint ptk_a(void) { return twice(); }\n",
                  base__b="static int twice(void) { return 2; }\nint ptk_b(void) { return twice(); }\n")
        self.assertIn("twice", self.compile("-c", "-o", "ptk.o").stderr)

    def test_an_include_that_is_not_there_is_an_error(self) -> None:
        with self.assertRaisesRegex(SystemExit, "src/base/a.c includes base/gone.h"):
            self.make(base__a='#include "base/gone.h"\n')


if __name__ == "__main__":
    unittest.main()
