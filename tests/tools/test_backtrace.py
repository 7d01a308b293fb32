#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lines of a backtrace name static functions, and their offsets are what addr2line takes: in programs that are linked in
every way, and never from a file that is not the one that is mapped."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

build = Path(os.environ["PTK_BUILD_DIR"])
source = Path(os.environ["PTK_SOURCE_DIR"])
cache = dict(re.findall(r"^(\w+):\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE))
compiler = os.environ.get("CC", "cc")
PROGRAM = """#include <dlfcn.h>
#include <ptk.h>
#include <stdio.h>

static ptk_err __attribute__((noinline)) wait_for_ever(void *arg) {
    (void) arg;
    ptk_err err = ptk_sleep_ms(1000000);
    return err == PTK_OK ? PTK_ERR_OS : err;
}

static ptk_err dump(void *arg) {
    ptk_err err = ptk_yield();
    ptk_err dumped = ptk_scheduler_dump(NULL);
    (void) arg;
    return ptk_scheduler_stop(NULL) ? PTK_ERR_OS : err ? err : dumped;
}

int main(int argc, char **argv) {
    ptk_green_fn fn = wait_for_ever;
    if (argc > 1) {
        void *library = dlopen(argv[1], RTLD_NOW);
        if (!library || (argc > 2 && rename(argv[2], argv[1]) != 0)) {
            return 3;
        }
        fn = ((ptk_green_fn(*)(void)) dlsym(library, "get"))();
    }
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop || ptk_go(loop, fn, (void *) ptk_sleep_ms) || ptk_go(loop, dump, NULL)) {
        return 1;
    }
    ptk_err err = ptk_scheduler_run(loop);
    return ptk_event_loop_platform_destroy(loop) || (err && err != PTK_ERR_CANCELED);
}
"""
LIBRARY = """typedef int (*sleep_fn)(unsigned);
static int __attribute__((noinline)) NAME(void *arg) {
    int err = ((sleep_fn) arg)(1000000);
    return err == 0 ? 1 : err;
}
int (*get(void))(void *) { return NAME; }
"""
LINE = re.compile(r"^    #\d+ (?:(\w+)\+0x[0-9a-f]+|0x[0-9a-f]+) \((.+)\+(0x[0-9a-f]+)\)$", re.MULTILINE)


class Backtrace(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)

    def run_words(self, *words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, 0, f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def compile(self, name: str, text: str, *flags: str) -> Path:
        (self.folder / f"{name}.c").write_text(text)
        self.run_words(compiler, "-O1", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", f"-I{source}/src",
                       f"{name}.c", "-o", name, *flags)
        return self.folder / name

    def program(self, *flags: str) -> Path:
        return self.compile("program", PROGRAM, str(build / "libptk.a"), "-pthread", "-ldl", *flags)

    def frames(self, *words: str) -> list[tuple[str, str, str]]:
        output = self.run_words(*words)
        found = LINE.findall(output)
        self.assertGreater(len(found), 4, output)
        return found

    def check_named(self, *words: str) -> None:
        """Every name and offset is the one that addr2line finds."""
        frames = self.frames(*words)
        self.assertIn("wait_for_ever", [name for name, _, _ in frames])
        for name, module, offset in frames:
            if name in ("wait_for_ever", "dump", "run_green"):
                self.assertEqual(self.run_words("addr2line", "-f", "-e", module, offset).splitlines()[0], name)

    def test_a_program_at_a_random_address(self) -> None:
        self.check_named(str(self.program("-pie", "-fPIE")))

    def test_a_program_by_a_relative_path(self) -> None:
        self.program()
        self.check_named("./program")

    def test_a_program_at_a_fixed_address(self) -> None:
        self.check_named(str(self.program("-no-pie", "-fno-PIE")))

    def test_a_static_program(self) -> None:
        self.check_named(str(self.program("-static")))

    def test_a_stripped_program_has_offsets(self) -> None:
        program = self.program()
        whole = self.folder / "whole"
        shutil.copy(program, whole)
        self.run_words("strip", str(program))
        frames = self.frames(str(program))
        self.assertNotIn("wait_for_ever", [name for name, _, _ in frames])
        names = [self.run_words("addr2line", "-f", "-e", str(whole), offset).splitlines()[0]
                 for _, module, offset in frames if module == str(program)]
        self.assertIn("wait_for_ever", names)

    def test_a_program_that_was_deleted(self) -> None:
        program = self.program()
        words = 'exec 3<program; rm program; exec /proc/self/fd/3'
        if not Path("/proc/self/exe").exists():
            self.skipTest("no /proc")
        self.assertIn("wait_for_ever", self.run_words("sh", "-c", words), program)

    def library(self, name: str) -> Path:
        return self.compile(name, LIBRARY.replace("NAME", name), "-shared", "-fPIC", "-Wl,--build-id")

    def test_a_library(self) -> None:
        library = self.library("right_name")
        names = [name for name, _, _ in self.frames(str(self.program()), str(library))]
        self.assertIn("right_name", names)

    def test_a_library_that_was_replaced_has_offsets(self) -> None:
        library, other = self.library("right_name"), self.library("wrong_name")
        names = [name for name, _, _ in self.frames(str(self.program()), str(library), str(other))]
        self.assertNotIn("wrong_name", names)
        self.assertNotIn("right_name", names)


if cache.get("PTK_SANITIZE") or cache.get("CMAKE_BUILD_TYPE") == "Coverage" or cache.get("CMAKE_INTERPROCEDURAL_OPTIMIZATION"):
    print("skipped: this build's library needs flags of its own to link")
    sys.exit(77)
if not shutil.which("addr2line"):
    print("skipped: no addr2line")
    sys.exit(77)
unittest.main()
