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


SCENARIO = """#include <ptk_sim.h>
#include <time.h>
static ptk_err host(void *arg) {
    (void) arg;
    return time(NULL) == 0 ? PTK_ERR_OS : PTK_OK;
}
static void run(ptk_sim_t *sim) {
    if (ptk_sim_host(sim, NULL, host, NULL)) {
        ptk_sim_settle(sim, 1000);
    }
}
int main(int argc, char **argv) {
    static const ptk_sim_scenario_t all[] = {{"clock", "reads the real clock", run}};
    return ptk_sim_main(argc, argv, all, 1);
}
"""


def pkg_config(pc: Path, *words: str, package: str = "ptk") -> str:
    return output_of("pkg-config", *words, package, PKG_CONFIG_PATH=str(pc), PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1")


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

    def run_scenario(self, flags: list[str]) -> tuple[int, str]:
        """Builds the program of a scenario with these flags and runs it; returns its status and its whole output."""
        text, program = self.folder / "scenario.c", self.folder / "scenario"
        text.write_text(SCENARIO)
        output_of(os.environ.get("CC", "cc"), str(text), *flags, "-o", str(program))
        done = subprocess.run([program, "clock", "--seed", "1", "--out", str(self.folder)], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_a_simulated_program_with_the_guard_and_without(self) -> None:
        tree = self.install_and_move()
        if cache.get("PTK_SANITIZE") or cache.get("CMAKE_BUILD_TYPE") == "Coverage" or not (tree / self.libdir / "libptk_sim.a").exists():
            self.skipTest("the library of this build needs flags of its own to link, or there is no simulator")
        flags = shlex.split(pkg_config(tree / self.libdir / "pkgconfig", "--cflags", "--libs", package="ptk_sim"))
        status, output = self.run_scenario(flags)
        self.assertEqual(status, 1, output)
        self.assertIn("time was called on the simulated host", output)
        self.assertNotIn("not linked with the guard", output)
        (wrap,) = [flag for flag in flags if flag.startswith("-Wl,@")]
        status, output = self.run_scenario([flag for flag in flags if flag != wrap])
        self.assertEqual(status, 0, output)
        self.assertIn("it is not linked with the guard", output)
        self.assertRegex(output, r"not caught: clock_gettime .*\btime\b.* system\n")

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
