#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `cmake --install` makes is complete, and its ptk.pc is right wherever the tree is and whatever its libdir is."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

build = Path(os.environ["PTK_BUILD_DIR"])
source = Path(os.environ["PTK_SOURCE_DIR"])
cache = dict(re.findall(r"^(\w+):\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE))
SAMPLE = """#include <ptk.h>
#include <stdio.h>
int main(void) { return puts(ptk_err_name(PTK_ERR_TIMEOUT)) < 0; }
"""


def output_of(*words: str, **variables: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **variables})
    if done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def pkg_config(pc: Path, *words: str) -> str:
    return output_of("pkg-config", *words, "ptk", PKG_CONFIG_PATH=str(pc), PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1")


def folder_of(flags: str, flag: str) -> Path:
    (found,) = [Path(word[len(flag):]) for word in shlex.split(flags) if word.startswith(flag)]
    return found.resolve()


class Install(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.libdir = cache.get("CMAKE_INSTALL_LIBDIR", "lib")

    def install_and_move(self) -> Path:
        """Installs under one name and moves the tree to another one; returns the new one."""
        output_of(cache["CMAKE_COMMAND"], "--install", str(build), "--prefix", str(self.folder / "first"))
        return (self.folder / "first").rename(self.folder / "second")

    def test_a_moved_tree(self) -> None:
        tree = self.install_and_move()
        flags = pkg_config(tree / self.libdir / "pkgconfig", "--cflags", "--libs")
        headers, libraries = folder_of(flags, "-I"), folder_of(flags, "-L")
        self.assertEqual((headers, libraries), (tree / "include", tree / self.libdir))
        for path in (headers / "ptk.h", libraries / "libptk.a", libraries / "libptk.so"):
            self.assertTrue(path.exists(), path)
        self.assertIn("-lptk", flags)
        self.check_program(tree, flags)

    def check_program(self, tree: Path, flags: str) -> None:
        if cache.get("PTK_SANITIZE") or cache.get("CMAKE_BUILD_TYPE") == "Coverage":
            return  # this build's library needs flags of its own to link
        text, program = self.folder / "sample.c", self.folder / "sample"
        text.write_text(SAMPLE)
        output_of(os.environ.get("CC", "cc"), str(text), *shlex.split(flags), "-o", str(program))
        found = output_of(str(program), LD_LIBRARY_PATH=str(tree / self.libdir))
        self.assertEqual(found, "PTK_ERR_TIMEOUT")

    def test_another_libdir(self) -> None:
        made = self.folder / "build"
        options = ("-DPTK_BUILD_TESTS=OFF", "-DPTK_BUILD_EXAMPLES=OFF", "-DPTK_BUILD_BENCH=OFF", "-G", cache["CMAKE_GENERATOR"])
        output_of(cache["CMAKE_COMMAND"], "-S", str(source), "-B", str(made), *options,
                  "-DCMAKE_INSTALL_LIBDIR=lib/x86_64-linux-gnu", f"-DCMAKE_C_COMPILER={cache['CMAKE_C_COMPILER']}")
        pc = self.folder / "tree/lib/x86_64-linux-gnu/pkgconfig"
        pc.mkdir(parents=True)
        shutil.copy(made / "ptk.pc", pc)
        flags = pkg_config(pc, "--cflags", "--libs")
        self.assertEqual(folder_of(flags, "-I"), self.folder / "tree/include")
        self.assertEqual(folder_of(flags, "-L"), pc.parent)
        self.assertEqual(Path(pkg_config(pc, "--variable=prefix")).resolve(), self.folder / "tree")


if not shutil.which("pkg-config"):
    print("skipped: pkg-config is not installed")
    sys.exit(77)
unittest.main()
