# SPDX-License-Identifier: MIT
"""Shared by the tests of the examples: checks that print what they checked, programs that never outlive the test."""

import atexit
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

LIMIT_S = 50  # for each step; a step that takes longer hangs
SKIPPED = 77

socket.setdefaulttimeout(LIMIT_S)
running: list[subprocess.Popen[bytes]] = []


@atexit.register
def kill_all() -> None:
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def skip(reason: str) -> NoReturn:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            skip(f"{program} is not installed")


def check(condition: bool, what: str) -> None:
    """Ends the test unless the condition holds."""
    if not condition:
        print(f"FAILED: {what}", flush=True)
        sys.exit(1)
    print(f"ok: {what}", flush=True)


def check_equal(found: object, expected: object, what: str) -> None:
    check(found == expected, what if found == expected else f"{what}: found {found!r}, expected {expected!r}")


def example(name: str) -> str:
    folder = os.environ.get("PTK_BUILD_DIR")
    if not folder:
        sys.exit("set PTK_BUILD_DIR to the build directory that contains examples/")
    return str(Path(folder) / "examples" / name)


def run(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Runs a program to its end; returns status, standard output and standard error as text."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.append(process)
    try:
        output, errors = process.communicate(data, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        print(output.decode(errors="replace"), errors.decode(errors="replace"), sep="\n")
        sys.exit(f"FAILED: {' '.join(words)} did not end within {LIMIT_S} s")
    return subprocess.CompletedProcess(words, process.returncode, output.decode("latin-1"), errors.decode("latin-1"))


def read_line(stream: object) -> str:
    """Returns the next line of an unbuffered pipe, "" at its end."""
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(LIMIT_S):
                sys.exit(f"FAILED: no line within {LIMIT_S} s, only {line!r}")
            byte = os.read(stream.fileno(), 1)
            if not byte:
                break
            line += byte
    return line.decode("latin-1")


class Server:
    """A server that prints `listening on HOST:PORT`; leaving the block ends it with SIGTERM and checks its status."""

    def __init__(self, *words: str, errors: int | None = None) -> None:
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                        bufsize=0)
        running.append(self.process)
        line = read_line(self.process.stdout)
        prefix = "listening on "
        if not line.startswith(prefix):
            sys.exit(f"FAILED: {' '.join(words)} printed {line!r} instead of '{prefix}...'")
        self.address = line[len(prefix):].strip()
        host, port = self.address.rsplit(":", 1)
        self.host, self.port = host.strip("[]"), int(port)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port))

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            sys.exit(f"FAILED: the server did not end within {LIMIT_S} s of signal {signal_number}")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self.process.returncode is None:
            check(self.process.poll() is None, "the server is still there")
            check_equal(self.stop(), 0, "the server ends with 0 on SIGTERM")


def receive_all(sock: socket.socket) -> bytes:
    """Returns everything until the end of the stream."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def receive_exactly(sock: socket.socket, count: int) -> bytes:
    """Returns `count` bytes, or fewer if the stream ends."""
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            break
        data += part
    return data
