#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program in README.md compiles without a warning, serves, and ends with a message if its port is taken."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from harness import check, check_equal, need, run, running, skip

compiler = os.environ.get("CC", "cc")
need(compiler)
build = Path(os.environ["PTK_BUILD_DIR"])
source = Path(os.environ["PTK_SOURCE_DIR"])
cache = (build / "CMakeCache.txt").read_text()
if re.search(r"^PTK_SANITIZE:\w+=.", cache, re.MULTILINE) or re.search(r"^CMAKE_BUILD_TYPE:\w+=Coverage", cache, re.MULTILINE):
    skip("this build's library needs flags of its own to link")
if re.search(r"^CMAKE_(INTERPROCEDURAL_OPTIMIZATION|CROSSCOMPILING):\w+=(ON|TRUE|1)", cache, re.MULTILINE):
    skip("this build's library is not machine code of this compiler")


def compile_sample(port: int, folder: Path) -> str:
    match = re.search(r"^```c\n(.*?)^```$", (source / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    check(match is not None and ":7000" in match[1], "README.md has a program that listens on port 7000")
    text = folder / "sample.c"
    text.write_text(match[1].replace(":7000", f":{port}"))
    program = str(folder / "sample")
    words = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{source / 'src'}", str(text),
             str(build / "libptk.a"), "-pthread", "-o", program]
    done = subprocess.run(words, capture_output=True, text=True)
    check_equal((done.returncode, done.stderr), (0, ""), "it compiles without a warning")
    return program


def check_echo(program: str, port: int) -> None:
    process = subprocess.Popen([program], stderr=subprocess.PIPE)
    running.append(process)
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"hello")
                check_equal(sock.recv(5, socket.MSG_WAITALL), b"hello", "it sends back what it receives")
            break
        except ConnectionRefusedError:
            check(process.poll() is None, "the program runs until it listens")
    with socket.create_connection(("127.0.0.1", port)) as sock:  # served after the end of the first was seen
        sock.sendall(b"again")
        check_equal(sock.recv(5, socket.MSG_WAITALL), b"again", "it serves another connection")
    process.kill()
    check_equal(process.communicate()[1], b"", "it prints nothing, the end of a connection included")


folder = Path(tempfile.mkdtemp())
try:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = compile_sample(port, folder)
        done = run(program)
        check_equal((done.returncode, done.stdout, done.stderr), (1, "", "echo: address already in use\n"),
                    "it ends with a message while its port is taken")
    check_echo(program, port)
finally:
    shutil.rmtree(folder)
