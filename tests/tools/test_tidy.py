#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sees each rule of tools/tidy.py fail on a text that breaks it, and pass one that does not."""

import contextlib
import io
import re
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tools"))
import tidy  # noqa: E402

FIRST = "/* SPDX-License-Identifier: MIT */\n"


class TidyTest(unittest.TestCase):
    def found(self, text: str, path: str = "src/ptk_a.c") -> list[str]:
        return [str(violation) for violation in tidy.check(tidy.Source(path, FIRST + text))]

    def assert_found(self, expected: str, text: str, path: str = "src/ptk_a.c") -> None:
        found = self.found(text, path)
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    def assert_clean(self, text: str, path: str = "src/ptk_a.c") -> None:
        self.assertEqual(self.found(text, path), [])

    # --- lines ---
    def test_clean(self) -> None:
        self.assert_clean("int a(void) {\n    return 0;\n}\n")

    def test_spdx(self) -> None:
        found = tidy.check(tidy.Source("src/a.c", "int a;\n"))
        self.assertEqual([str(violation) for violation in found],
                         ["src/a.c:1: begin the file with /* SPDX-License-Identifier: MIT */"])

    def test_final_newline(self) -> None:
        self.assert_found(":2: end the file with a newline", "int a;")

    def test_tab(self) -> None:
        self.assert_found(":2: tab", "\tint a;\n")

    def test_trailing_space(self) -> None:
        self.assert_found(":2: space at the end", "int a; \n")
        self.assert_found(":2: space at the end", "int a;\r\n")

    def test_columns(self) -> None:
        self.assert_clean("// " + 107 * "x" + "\n")
        self.assert_found(":2: 111 columns", "// " + 108 * "x" + "\n")

    def test_columns_are_those_of_clang_format(self) -> None:
        match = re.search(r"^ColumnLimit: (\d+)$", (PROJECT / ".clang-format").read_text(), re.MULTILINE)
        self.assertEqual(match and int(match[1]), tidy.MAX_COLUMNS)

    # --- bans ---
    def test_calls_banned_in_src(self) -> None:
        for name in ("strcpy", "strcat", "sprintf", "gets", "atoi", "alloca", "setjmp", "longjmp", "select", "rand",
                     "time", "printf"):
            with self.subTest(name):
                self.assert_found(f":2: {name}: ", f"int a = {name}(b);\n")
                self.assert_clean(f"int a = ptk_{name}(b); // {name}(x)\nchar *s = \"{name}(x)\";\n")

    def test_format_attribute_and_fprintf_are_no_printf(self) -> None:
        self.assert_clean("__attribute__((format(printf, 1, 2))) int a(void);\nint b = fprintf(f, c);\n")

    def test_calls_banned_in_src_only(self) -> None:
        self.assert_clean("int a = printf(b);\n", "examples/a.c")

    def test_sleep_in_tests(self) -> None:
        for name in ("sleep", "usleep", "nanosleep"):
            with self.subTest(name):
                self.assert_found(f":2: {name}: wait for the event", f"int a = {name}(1);\n", "tests/unit/test_a.c")
        self.assert_clean("int a = ptk_sleep(1);\n", "tests/unit/test_a.c")

    def test_no_floating_point_in_the_simulator(self) -> None:
        for text in ("double a;\n", "int a = 1.5;\n", "float b(void);\n"):
            with self.subTest(text):
                self.assert_found("no floating point", text, "sim/kernel/ptk_sim_a.c")
                self.assert_clean(text, "src/ptk_a.c")
        self.assert_clean("int a; // double 1.5\nchar *b = \"10.0.0.1\";\n", "sim/kernel/ptk_sim_a.c")

    def test_one_decision_per_expression(self) -> None:
        self.assert_clean("int a(void) {\n    int b = ptk_choice(1, 2);\n    return b + ptk_choice(1, 2);\n}\n")
        self.assert_found(":3: a second ptk_choice", "int a(void) {\n    return ptk_choice(1, 2) + ptk_choice(1, 2);\n}\n")

    def test_results_are_not_discarded(self) -> None:
        for text in ("PTK_API ptk_err a(void);\n", "PTK_API ptk_green_t *a(void);\n", "PTK_API const ptk_addr_t *a(void);\n"):
            with self.subTest(text):
                self.assert_found("PTK_API PTK_NODISCARD", text, "src/ptk_a.c")
                self.assert_clean(text.replace("PTK_API", "PTK_API PTK_NODISCARD"), "src/ptk_a.c")
        self.assert_clean("PTK_API void a(void);\nPTK_API uint64_t b(void);\n", "src/ptk_a.c")

    def test_notes_to_self(self) -> None:
        for word in ("TODO", "FIXME", "XXX"):
            with self.subTest(word):
                self.assert_found(f":2: {word}: do it now", f"// {word} later\n", "bench/a.c")

    # --- functions ---
    def test_long_function(self) -> None:
        self.assert_clean("int a(void) {\n" + 68 * "    b();\n" + "}\n", "examples/a.c")
        self.assert_found(":3: a has 71 lines", "\nint a(void) {\n" + 69 * "    b();\n" + "}\n", "examples/a.c")

    def test_functions_are_told_from_other_braces(self) -> None:
        text = """struct __attribute__((aligned(64))) one { int a; };
enum two { TWO };
static int (*const table[])(void) = { three };
extern "C" {
struct one *four(struct one *a) {
    return a;
}
}
#define FIVE(x) do { \\
} while (0)
TEST(six) {
    if (a) { b("}"); } // }
}
__attribute__((noinline)) static void seven(int a) { }
"""
        names = [(function.name, function.lines) for function in tidy.Source("src/a.c", text).functions]
        self.assertEqual(names, [("four", 3), ("TEST", 3), ("seven", 1)])

    def test_nesting(self) -> None:
        three = "int a(void) {\nif (b) {\nfor (;;) {\nwhile (c(d)) {\nX\n}\n}\n}\n}\n"
        self.assert_clean(three)
        self.assert_clean(three.replace("X", "struct s e = {{1}, (struct t){2}}; return (struct s){3};"))
        for block in ("if (f) {\n}", "do {\n} while (0);", "LIST_FOR_EACH(g) {\n}", "if (h)\n;\nelse {\n}"):
            with self.subTest(block):
                self.assert_found(":2: a nests 4 blocks", three.replace("X", block))
        self.assert_clean(three.replace("X", "if (f) {\n}"), "tests/unit/test_a.c")

    def test_long_file(self) -> None:
        self.assert_clean(499 * "int a;\n")
        self.assert_found(":501: 501 lines", 500 * "int a;\n")
        self.assert_clean(600 * "int a;\n", "tests/unit/test_a.c")

    # --- documentation ---
    def test_public_declarations_are_documented(self) -> None:
        header = "src/ptk_a.h"
        self.assert_clean("#define PTK_API\n/** Waits. Parks until b. */\nPTK_API int a(void);\n", header)
        self.assert_clean("/** Looks. Never parks.\n * @return 0 */\nstatic PTK_API int a(void);\n", header)
        self.assert_clean("// Looks.\n// never parks\nPTK_API int a(int b);\n", header)
        self.assert_found(":3: no comment", "\nPTK_API int a(void);\n", header)
        self.assert_found(":3: no comment", "/** Never parks. */ PTK_API int a(void);\nPTK_API int b(void);\n", header)
        self.assert_found(":4: no comment", "/** Never parks. */\n\nPTK_API int a(void);\n", header)
        self.assert_found(":4: no comment", "/** Never parks. */\n#include <b.h>\nPTK_API int a(void);\n", header)
        self.assert_found(':3: the comment does not say "Parks', "/** Looks. */\nPTK_API int a(void);\n", header)

    def test_only_public_headers_need_it(self) -> None:
        for path in ("src/ptk_a_impl.h", "src/ptk_event_source.h", "src/base/ptk_b.h", "src/ptk_a.c"):
            self.assert_clean("PTK_API int a(void);\n", path)

    # --- names ---
    def names_found(self, *files: tuple[str, str]) -> list[str]:
        return [str(violation) for violation in tidy.check_names([tidy.Source(path, FIRST + text) for path, text in files])]

    def test_a_name_means_one_thing(self) -> None:
        for one, other in (("static void leave(int a) {\n}\n", "static int *leave(void);\n"),
                           ("#define leave 1\n", "#  define leave(x) 2\n"),
                           ("static int leave;\n", "static const int leave[] = {1, 2};\n"),
                           ("typedef struct a { int a; } leave;\n", "typedef int leave;\n"),
                           ("struct leave {\n    int a;\n};\n", "enum leave { B };\n"),
                           ("__attribute__((noinline)) static void leave(void) {\n}\n", "#define leave\n")):
            for folder in ("src", "sim"):
                with self.subTest(one, folder=folder):
                    found = self.names_found((f"{folder}/a/ptk_a.c", one), (f"{folder}/ptk_b.c", "\n" + other))
                    self.assertEqual(len(found), 2, found)
                    self.assertIn(f"{folder}/a/ptk_a.c:2: leave is defined in {folder}/ptk_b.c:3 too", found[0])

    def test_names_that_do_not_meet(self) -> None:
        body = "static void a%d(void) {\n    static int b;\n    leave(c, leave);\n}\n"
        self.assertEqual(self.names_found(("src/ptk_a.c", body % 1), ("src/ptk_b.c", body % 2)), [])
        leave = "static void leave(void) {\n}\n"
        self.assertEqual(self.names_found(("src/ptk_a.c", "static void leave(void);\n" + leave)), [])
        self.assertEqual(self.names_found(("src/ptk_a.c", leave), ("sim/ptk_b.c", leave), ("tests/c.c", leave)), [])
        self.assertEqual(self.names_found(("src/ptk_a.c", leave), ("src/ptk_b.h", leave)), [])
        unnamed = "static struct {\n    int a;\n} leave%d;\nstatic const struct {\n    int a;\n} stay%d[] = {{1}};\n"
        self.assertEqual(self.names_found(("src/ptk_a.c", unnamed % (1, 2)), ("src/ptk_b.c", unnamed % (3, 4))), [])
        macro = "#define LEAVE 1\n#undef LEAVE\n"
        self.assertEqual(self.names_found(("src/ptk_a.c", macro), ("src/ptk_b.c", macro)), [])

    def test_one_of_alternatives_is_built(self) -> None:
        leave = "static void leave(void) {\n}\n"
        for one, other in (("context/ptk_context_aarch64", "context/ptk_context_ucontext"),
                           ("sys/ptk_sys_linux_net", "sys/ptk_sys_darwin")):
            self.assertEqual(self.names_found((f"src/{one}.c", leave), (f"src/{other}.c", leave)), [])
        for one, other in (("context/ptk_context", "context/ptk_context_ucontext"),
                           ("sys/ptk_sys_linux_net", "sys/ptk_sys_linux"),
                           ("platform/ptk_event_loop_platform_epoll", "platform/ptk_event_loop_platform_poll")):
            self.assertEqual(len(self.names_found((f"src/{one}.c", leave), (f"src/{other}.c", leave))), 2)

    # --- command ---
    def run_on(self, files: dict[str, str], *arguments: str) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(FIRST + text if name.endswith((".c", ".h")) else text)
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                code = tidy.main(["--root", folder, *arguments])
        return code, output.getvalue()

    def test_words_and_names_are_rules(self) -> None:
        files = {"src/a/ptk_a.c": "static int told; // told\n", "src/ptk_b.c": "static int told;\n",
                 "sim/ptk_sim_a.h": "/* Free it. */\nvoid a(void);\n", "README.md": "Somebody.\n"}
        code, output = self.run_on(files)
        self.assertEqual(code, 1)
        for expected in ("src/a/ptk_a.c:2: \"told\"", "src/a/ptk_a.c:2: told is defined in src/ptk_b.c:2 too",
                         "src/ptk_b.c:2: told is", "sim/ptk_sim_a.h:2: \"Free ...\"", "README.md:1: \"Somebody\""):
            self.assertIn(expected, output)

    def test_words_hold_everywhere(self) -> None:
        for name in ("src/a/ptk_a.c", "sim/ptk_sim_a.c", "tests/a/a.c", "bench/a.c", "examples/a.c", "tools/a.py",
                     "tests/a.txt", "docs/a.md", "ARCHITECTURE.md"):
            with self.subTest(name):
                text = "/* Somebody. */\n" if name.endswith(".c") else "# Somebody.\n"
                code, output = self.run_on({name: text})
                self.assertEqual((code, output.count("\n")), (1, 1), output)
                self.assertIn(name, output)

    def test_words_alone(self) -> None:
        files = {"src/a/ptk_a.c": "// told\t\n", "docs/b.md": "Somebody.\n"}
        code, output = self.run_on(files, "--words")
        self.assertEqual(code, 1)
        self.assertIn("src/a/ptk_a.c:2", output)
        self.assertIn("docs/b.md:1", output)
        self.assertNotIn("tab", output)
        self.assertRegex(output, r" 1 docs\n +1 src/a\n +2 in all\n")
        code, output = self.run_on(files, "--words", "docs", "sim/")
        self.assertNotIn("src/a", output)
        self.assertEqual(self.run_on(files, "--words", "sim/")[0], 0)

    def test_command(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("src/ptk_a.c", FIRST + "int a(void) {\n}\n"), ("bench/b.h", FIRST + "\t\n"),
                               ("src/readme.md", "\t"), ("other/c.c", "\t")):
                path = Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                code = tidy.main(["--root", folder, "--stats"])
                Path(folder, "bench/b.h").unlink()
                clean = tidy.main(["--root", folder])
        self.assertEqual((code, clean), (1, 0))
        self.assertIn("bench/b.h:2: tab", output.getvalue())
        self.assertIn("src/ 1 files, 3 lines; functions 1, lines median/p90/max 2/2/2; .c lines 3/3/3", output.getvalue())
        self.assertIn("tidy: 1 files, no violations", output.getvalue())
        self.assertNotIn("other/", output.getvalue())


if __name__ == "__main__":
    unittest.main()
