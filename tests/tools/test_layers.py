#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants each kind of violation in a small tree and sees tools/layers.py catch it."""

import contextlib
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import layers  # noqa: E402

CLEAN = {
    "src/ptk_time.h": "unsigned ptk_now(void);\n",
    "src/base/ptk_time.c": '#include <ptk_time.h>\n#include "sys/ptk_sys.h"\n'
                      'unsigned ptk_now(void) { return ptk_sys(); }\n',
    "src/sys/ptk_sys.h": "unsigned ptk_sys(void);\n",
    "src/sys/ptk_sys_linux.c": '#include "ptk_sys.h"\n#ifdef __linux__\nextern int getpid(void);\n#endif\n'
                               "unsigned ptk_sys(void) { return (unsigned)getpid(); }\n",
    "src/ptk_sock.c": "#include <ptk_time.h>\n#include <string.h>\nunsigned ptk_sock(char *a, int handle);\n"
                      "unsigned ptk_sock(char *a, int handle) { memset(a, handle, 9 + ptk_now()); return ptk_now(); }\n",
}


class LayersTest(unittest.TestCase):
    compiled: dict[str, bytes] = {}  # source text: object

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def compile(self, name: str) -> None:
        """Makes the object as a build would; what a test before has compiled already is copied."""
        source, target = self.root / name, self.root / "build" / "CMakeFiles/all.dir" / f"{name}.o"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text()
        if text not in self.compiled:
            subprocess.run(["cc", "-w", "-I", self.root / "src", "-I", self.root, "-c", source, "-o", target], check=True)
            self.compiled[text] = target.read_bytes()
        target.write_bytes(self.compiled[text])

    def check(self, extra: dict[str, str], *arguments: str) -> tuple[int, str]:
        """Writes the clean tree and the extra files, compiles them, runs the tool: exit code and output."""
        for name, text in {**CLEAN, **extra}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in {**CLEAN, **extra}:
            if name.endswith(".c"):
                self.compile(name)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = layers.main(["--root", str(self.root), "--build", str(self.root / "build"), *arguments])
        return code, output.getvalue()

    def assert_caught(self, extra: dict[str, str], *expected: str) -> None:
        code, output = self.check(extra)
        self.assertEqual(code, 1, output)
        self.assertEqual(len(output.splitlines()), len(expected), output)
        for text in expected:
            self.assertIn(text, output)

    def test_clean_tree_passes(self) -> None:
        code, output = self.check({})
        self.assertEqual(code, 0, output)
        self.assertEqual(output, "layers: 5 files, 3 objects, 2 symbol edges, all on their layers\n")

    def test_graph(self) -> None:
        code, output = self.check({}, "--graph")
        self.assertEqual(code, 0)
        self.assertIn("5 src/ptk_sock.c\n    0 src/base/ptk_time.c: ptk_now\n", output)

    def test_no_objects_is_an_error(self) -> None:
        code, output = self.check({}, "--build", str(self.root / "elsewhere"))
        self.assertEqual(code, 2)
        self.assertIn("build first", output)

    def test_file_on_no_layer(self) -> None:
        self.assert_caught({"src/ptk_new.h": "\n"}, "src/ptk_new.h:1: is on no layer")

    def test_upward_include(self) -> None:
        self.assert_caught({"src/base/ptk_list.h": "\n#include <ptk_sock.h>\n", "src/ptk_sock.h": "\n"},
                           "src/base/ptk_list.h:2: layer 0 includes src/ptk_sock.h of layer 5")

    def test_nothing_includes_the_umbrella_header(self) -> None:
        self.assert_caught({"src/ptk_sock.h": "#include <ptk.h>\n", "src/ptk.h": "\n"}, "layer 5 includes src/ptk.h")

    def test_include_cycle(self) -> None:
        self.assert_caught(
            {"src/sched/ptk_op.h": "#pragma once\n#include \"sched/ptk_park.h\"\n", "src/sched/ptk_park.h": "#include \"sched/ptk_op.h\"\n"},
            "src/sched/ptk_op.h:2: cycle: src/sched/ptk_op.h -> src/sched/ptk_park.h (#include); src/sched/ptk_park.h -> src/sched/ptk_op.h")

    def test_commented_include_does_not_count(self) -> None:
        code, output = self.check({"src/base/ptk_list.h": "/*\n#include <ptk_sock.h>\n*/\n", "src/ptk_sock.h": "\n"})
        self.assertEqual(code, 0, output)

    def test_upward_symbol(self) -> None:
        self.assert_caught(
            {"src/sched/ptk_op.c": "extern int ptk_sock();\nint ptk_op(void) { return ptk_sock(); }\n"},
            "src/sched/ptk_op.c:1: layer 3 needs ptk_sock of src/ptk_sock.c, layer 5")

    def test_symbol_cycle(self) -> None:
        self.assert_caught(
            {"src/sched/ptk_op.c": "int b(void);\nint c(void) { return b(); }\n",
             "src/sched/ptk_park.c": "int a(void);\nint b(void) { return a(); }\n",
             "src/sched/ptk_green.c": "int c(void);\nint a(void) { return c(); }\n"},
            "src/sched/ptk_green.c:1: cycle: src/sched/ptk_green.c -> src/sched/ptk_op.c (c); src/sched/ptk_op.c -> src/sched/ptk_park.c (b); "
            "src/sched/ptk_park.c -> src/sched/ptk_green.c (a)")

    def test_data_makes_edges_too(self) -> None:
        self.assert_caught(
            {"src/sched/ptk_op.c": "extern int park; int *op(void) { return &park; }\n",
             "src/sched/ptk_park.c": "extern int *op(void); int park; int *all(void) { return op(); }\n"},
            "cycle: src/sched/ptk_op.c -> src/sched/ptk_park.c (park)")

    def test_os_symbol(self) -> None:
        self.assert_caught({"src/sched/ptk_green.c": "extern int getpid();\nint green(void) { return getpid(); }\n"},
                           "src/sched/ptk_green.c:1: needs getpid")

    def test_context_may_use_swapcontext_and_nobody_else(self) -> None:
        user = "extern int swapcontext();\nint NAME(void) { return swapcontext(); }\n"
        self.assert_caught({"src/context/ptk_context_ucontext.c": user.replace("NAME", "one"),
                            "src/sched/ptk_green.c": user.replace("NAME", "two")},
                           "src/sched/ptk_green.c:1: needs swapcontext")

    def test_runtime_symbols(self) -> None:
        for symbol in ("memcpy", "strlen", "__memcpy_chk", "__asan_init", "__tsan_func_entry", "__stack_chk_fail",
                       "__errno_location", "__udivti3", "__popcountdi2", "__aarch64_ldadd4_acq_rel"):
            self.assertTrue(layers.os_symbol_allowed("src/ptk_sock.c", symbol), symbol)
        for symbol in ("malloc", "free", "close", "pthread_self", "clock_gettime", "printf", "setcontext"):
            self.assertFalse(layers.os_symbol_allowed("src/ptk_sock.c", symbol), symbol)

    def test_platform_conditional(self) -> None:
        for condition in ("#ifdef __linux__", "#if defined(_WIN32)", "#ifndef __x86_64__", "#if 1 && \\\n    __APPLE__",
                          "#if 0\n#elif defined(__GLIBC__)"):
            with self.subTest(condition):
                self.assert_caught({"src/sched/ptk_op.h": f"{condition}\n#endif\n"}, "#if on ")
        code, output = self.check({"src/sched/ptk_op.h": "#if __STDC_VERSION__ // not __linux__\n#endif\n"})
        self.assertEqual(code, 0, output)

    def test_descriptor_above_the_platform(self) -> None:
        for declaration in ("void f(int fd);", "void f(int listen_fd);", "struct s { int fd; };",
                            "void f(int *fd_out);"):
            with self.subTest(declaration):
                self.assert_caught({"src/ptk_waitable.h": f"\n{declaration}\n"}, "src/ptk_waitable.h:2: 'int ")
        code, output = self.check({"src/platform/ptk_p.h": "void f(int fd);\n",
                                   "src/ptk_waitable.h": "int ptk_event_loop_platform_fd(void);\n"})
        self.assertEqual(code, 0, output)

    def test_every_row_is_a_folder_or_a_file(self) -> None:
        root = Path(__file__).resolve().parents[2]
        for row in layers.LAYERS:
            self.assertTrue((root / row).is_dir() if row.endswith("/") else (root / row).is_file(), row)

    def test_a_folder_row_does_not_cover_files_in_src_itself(self) -> None:
        self.assertIsNone(layers.layer_of("src/ptk_new.c"))
        self.assertEqual(layers.layer_of("tests/support/ptk_test.c"), layers.LAYERS["tests/support/"])
        self.assertEqual(layers.layer_of("tests/unit/base/test_list.c"), layers.LAYERS["tests/"])

    def test_programs_are_covered(self) -> None:
        self.assert_caught({"bench/bench.h": '#include "support/ptk_test.h"\n', "tests/support/ptk_test.h": "\n"},
                           "bench/bench.h:1: layer 10 includes tests/support/ptk_test.h of layer 11")

    def test_cycle_of_programs(self) -> None:
        self.assert_caught({"bench/a.c": "int b(void);\nint a(void) { return b(); }\n",
                            "bench/b.c": "int a(void);\nint b(void) { return a(); }\n"}, "bench/a.c:1: cycle: bench/a.c -> bench/b.c")

    def test_programs_may_call_the_system(self) -> None:
        code, output = self.check({"tests/unit/test_a.c": "#ifdef __linux__\nextern int getpid();\n#endif\n"
                                                          "int a(int fd) { return getpid() + fd; }\n"})
        self.assertEqual(code, 0, output)

    def test_symbol_that_a_program_defines_anew_is_the_library_s(self) -> None:
        code, output = self.check({"tests/unit/test_a.c": "unsigned ptk_now(void) { return 1; }\n"})
        self.assertEqual(code, 0, output)

    def test_object_of_a_removed_source_is_ignored(self) -> None:
        self.check({"src/sched/ptk_green.c": "extern int getpid();\nint green(void) { return getpid(); }\n"})
        (self.root / "src/sched/ptk_green.c").unlink()
        code, output = self.check({})
        self.assertEqual(code, 0, output)


if __name__ == "__main__":
    unittest.main()
