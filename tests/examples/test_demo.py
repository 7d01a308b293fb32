#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small run of the demonstration ends without errors and shows its table."""

import os
import pty
import re
import shutil
import subprocess
import tempfile

from harness import LIMIT_S, check, check_equal, example, read_line, run, running

ROWS = ("conversations at once", "requests answered and verified", "requests per second at full load",
        "requests per second at half load", "latency p50 at half load", "latency p99 at half load", "latency p50 at full load",
        "latency p99 at full load", "resident bytes per conversation", "switches per second at full load", "errors")


def table_of(output: str) -> dict[str, float]:
    """Returns the numbers of the table by their labels."""
    found = {}
    for name, number in re.findall(r"^  (\w[\w ]*?)  +([\d,.]+)(?: ms)?$", output, re.MULTILINE):
        found[name] = float(number.replace(",", ""))
    return found


def check_demo(platform: str) -> None:
    done = run(example("modbus_demo"), "--seconds", "1", "--conversations", "50", "--platform", platform)
    if done.returncode != 0:
        print(done.stdout, done.stderr)
    check_equal((done.returncode, done.stderr), (0, ""), f"the demonstration ends well on {platform}")
    table = table_of(done.stdout)
    for row in ROWS:
        check(row in table, f"  the table says: {row} {table.get(row)}")
    check_equal((table["conversations at once"], table["errors"]), (50, 0), "  50 conversations, no errors")
    check(table["requests answered and verified"] > 0, "  requests were answered")
    for load in ("full", "half"):
        check(table[f"requests per second at {load} load"] > 0, f"  requests were answered at {load} load")
        check(table[f"latency p50 at {load} load"] <= table[f"latency p99 at {load} load"], "  p50 is not over p99")
    check(done.stdout.count("  1 s: ") == 2, "  progress is a plain line where there is no terminal, once per phase")
    check_next_steps(done.stdout, True)


def check_next_steps(output: str, with_neighbours: bool) -> None:
    """What the demonstration names exists: programs, the repository's file, and mbpoll."""
    check(("modbus_server --listen" in output) == with_neighbours, f"  its neighbours are named: {with_neighbours}")
    for program in re.findall(r"^  (\S*modbus_(?:server|client)) ", output, re.MULTILINE):
        check(os.access(program, os.X_OK), f"  there is {program}")
    check(("mbpoll" in output) == (with_neighbours and shutil.which("mbpoll") is not None), "  mbpoll is named if it is there")
    check(("examples/modbus/modbus_server.c" in output) == os.path.exists("examples/modbus/modbus_server.c"),
          "  the source is named if it is there")


def check_alone() -> None:
    """A copy without its neighbours, started elsewhere, names none of them."""
    with tempfile.TemporaryDirectory() as folder:
        program = shutil.copy(example("modbus_demo"), folder)
        here = os.getcwd()
        os.chdir(folder)
        done = run(program, "--seconds", "1", "--conversations", "2")
        check_equal((done.returncode, done.stderr), (0, ""), "a copy of the demonstration ends well")
        check_next_steps(done.stdout, False)
        os.chdir(here)


def check_terminal() -> None:
    """On a terminal the line of progress is rewritten in place."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        print(f"left out: no pseudo-terminal to be had here ({error})")
        return
    words = [example("modbus_demo"), "--seconds", "1", "--conversations", "5"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=theirs)
    running.append(process)
    os.close(theirs)
    output = b""
    try:
        while part := os.read(ours, 4096):
            output += part
    except OSError:  # Linux reports so that the last writer has closed
        pass
    check_equal(process.wait(LIMIT_S), 0, "it ends well on a terminal")
    lines = output.replace(b"\r\n", b"\n").split(b"\n")
    check(any(b"\rconnecting" in line and b"\r  1 s: " in line for line in lines), "  progress is one line there")


def check_orphan() -> None:
    """When the client process is killed, the server process ends by itself: the pipe that both write to is closed."""
    words = [example("modbus_demo"), "--seconds", "600", "--conversations", "5"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    running.append(process)
    while "  1 s: " not in read_line(process.stdout):
        pass
    process.kill()
    while read_line(process.stdout):
        pass
    check(True, "the server process does not outlive a killed client process")


def check_arguments() -> None:
    bad = (["--seconds", "0"], ["--conversations", "0"], ["--conversations", "10001"], ["--platform", "abacus"], ["x"])
    for words in bad:
        done = run(example("modbus_demo"), *words)
        check(done.returncode == 2 and done.stderr != "", f"bad arguments {words}: {done.stderr.splitlines()[0]}")


def main() -> None:
    os.environ.pop("PTK_PLATFORM", None)
    for platform in ("epoll", "poll"):
        check_demo(platform)
    check_alone()
    check_terminal()
    check_orphan()
    check_arguments()


main()
