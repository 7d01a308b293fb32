#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""README.md's programs compile without a warning. The echo server serves, and ends with a message if its port is taken;
the function for another event loop waits for both."""

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


# A program for the function: green threads that sleep and that send a byte to the program's own descriptor.
POLL_BOTH_MAIN = """
#include <stdio.h>
#include <unistd.h>

static int own[2];

static ptk_err sleep_and_write(void *arg) {
    ptk_err err = ptk_sleep_ms(5);
    return write(own[1], arg, 1) == 1 ? err : PTK_ERR_OS;
}

int main(void) {
    struct pollfd fds[10];
    char byte, count = 0;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (pipe(own) != 0 || ptk_go(loop, sleep_and_write, "x") || ptk_go(loop, sleep_and_write, "y")) {
        return 2;
    }
    ptk_err err = PTK_OK;
    while (err == PTK_OK || (err == PTK_ERR_DONE && count < 2)) {
        fds[0] = (struct pollfd) {.fd = own[0], .events = POLLIN};
        err = poll_both(loop, fds, 1, 10);
        count += fds[0].revents && read(own[0], &byte, 1) == 1;
    }
    puts(ptk_err_name(err));
    ptk_err too_small = poll_both(loop, fds, 1, 1);
    return too_small == PTK_ERR_NO_RESOURCES && ptk_event_loop_platform_destroy(loop) == PTK_OK ? 0 : 3;
}
"""


def block(number: int) -> str:
    blocks = re.findall(r"^```c\n(.*?)^```$", (source / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    check(len(blocks) > number, f"README.md has program {number}")
    return blocks[number]


def compile_program(text: str, path: Path) -> str:
    path.write_text(text)
    program = str(path.with_suffix(""))
    words = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{source / 'src'}", str(path),
             str(build / "libptk.a"), "-pthread", "-o", program]
    done = subprocess.run(words, capture_output=True, text=True)
    check_equal((done.returncode, done.stderr), (0, ""), "it compiles without a warning")
    return program


def compile_sample(port: int, folder: Path) -> str:
    text = block(0)
    check(":7000" in text, "it listens on port 7000")
    return compile_program(text.replace(":7000", f":{port}"), folder / "sample.c")


def check_poll_both(folder: Path) -> None:
    program = compile_program(block(1) + POLL_BOTH_MAIN, folder / "poll_both.c")
    for platform in ("epoll", "poll"):
        os.environ["PTK_PLATFORM"] = platform
        done = run(program)
        check_equal((done.returncode, done.stdout, done.stderr), (0, "PTK_ERR_DONE\n", ""), f"both are served on {platform}")


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
    check_poll_both(folder)
finally:
    shutil.rmtree(folder)
