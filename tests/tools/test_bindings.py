# SPDX-License-Identifier: MIT
"""The tables of docs/bindings.md are what the public headers say."""

import importlib.util
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
spec = importlib.util.spec_from_file_location("bindings", ROOT / "tools" / "bindings.py")
bindings = importlib.util.module_from_spec(spec)
sys.modules["bindings"] = bindings
spec.loader.exec_module(bindings)


class Bindings(unittest.TestCase):
    def test_the_page_in_the_repository_is_true(self) -> None:
        run = subprocess.run([sys.executable, ROOT / "tools" / "bindings.py", "--check"], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))

    def test_constants_are_found(self) -> None:
        text = ("#define PTK_A 1u\n#define PTK_B(x) 2\n#  define PTK_C (PTK_A | 2)\n#define PTK_D {0}\n#define PTK_E UINT32_MAX\n"
                "typedef enum ptk_kind {\n  PTK_F = 1,\n  PTK_G,\n  PTK_H\n} ptk_kind_t;\ntypedef enum { PTK_I = PTK_F, } ptk_x_t;\n")
        self.assertEqual(bindings.constants(text), ["PTK_A", "PTK_C", "PTK_E", "PTK_F", "PTK_G", "PTK_H", "PTK_I"])

    def test_fields_are_found(self) -> None:
        text = "typedef struct ptk_a {\n  uint32_t size;\n  const char *name;\n  void *(*fn)(void *a, int b);\n  int x[4];\n} ptk_a_t;\n"
        found = [(field.name, field.kind) for field in bindings.structs(text)[0].fields]
        self.assertEqual(found, [("size", "uint32_t"), ("name", "const char*"), ("fn", "function"), ("x", "int[4]")])

    def test_every_public_constant_is_in_the_page(self) -> None:
        page = (ROOT / "docs" / "bindings.md").read_text()
        for name in ("PTK_ERR_NO_PORT", "PTK_WAITABLE_USER", "PTK_TIMEOUT_INFINITE", "PTK_EVENT_PRIORITY", "PTK_OS_HANDLE_NONE"):
            self.assertIn(f"| `{name}` |", page)

    def test_a_change_is_found(self) -> None:
        page = bindings.BEGIN + "\nold\n" + bindings.END + "after\n"
        self.assertEqual(bindings.with_tables(page, "new"), bindings.BEGIN + "\nnew\n" + bindings.END + "after\n")


if __name__ == "__main__":
    unittest.main()
