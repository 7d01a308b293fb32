#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The poller connects again when its server is restarted or falls silent, and ends quietly on a signal."""

import signal
import socket
import subprocess
import sys

from harness import LIMIT_S, Server, check, check_equal, example, read_line, run, running
from modbus_raw import receive_frame

AGAIN = "modbus_poller: connecting again in "


class Poller:
    def __init__(self, address: str, *options: str) -> None:
        words = [example("modbus_poller"), address, "--period-ms", "1", *options]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)
        running.append(self.process)

    def read_until(self, stream: object, wanted: str) -> int:
        """Reads lines until one begins as wanted; returns how many other lines came before it."""
        others = 0
        while not (line := read_line(stream)).startswith(wanted):
            if line == "":
                sys.exit(f"FAILED: the poller ended without a line '{wanted}'")
            others += 1
        return others

    def stop(self, number: int, during: str) -> None:
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=LIMIT_S)
        check_equal(self.process.returncode, 0, f"{signal.Signals(number).name} {during}: 0")
        check("cancel" not in (output + errors).decode(), "  and it prints nothing about that")


def check_restart(platform: str) -> None:
    words = (example("modbus_server"), "--platform", platform, "--listen")
    with Server(*words, "127.0.0.1:0") as first:
        poller = Poller(first.address, "--platform", platform, "--timeout-ms", "20000")
        poller.read_until(poller.process.stdout, "connected")
        check_equal(poller.read_until(poller.process.stdout, "0: 0"), 0, f"{platform}: it polls a server")
        done = run(example("modbus_client"), first.address, "write-register", "0", "77")
        check_equal(done.returncode, 0, "  a value is written")
        poller.read_until(poller.process.stdout, "0: 77")
    poller.read_until(poller.process.stderr, AGAIN)
    poller.read_until(poller.process.stderr, "modbus_poller: connection refused")
    poller.read_until(poller.process.stderr, AGAIN)
    with Server(*words, first.address):
        poller.read_until(poller.process.stdout, "connected")
        check_equal(poller.read_until(poller.process.stdout, "0: 0"), 0, "  it polls the server that took its place")
        poller.stop(signal.SIGINT, "while it polls")


def check_signal_in_back_off() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # taken, but it does not listen
        poller = Poller(f"127.0.0.1:{sock.getsockname()[1]}")
        for _ in range(3):
            check_equal(poller.read_until(poller.process.stderr, AGAIN), 1, "no listener: one reason, then a wait")
        poller.stop(signal.SIGTERM, "in a wait")


def check_silence() -> None:
    """A device that accepts and says nothing: three requests on a connection, then another connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        poller = Poller(f"127.0.0.1:{listener.getsockname()[1]}", "--timeout-ms", "100")
        sock, _ = listener.accept()
        with sock:
            requests = 0
            while receive_frame(sock):
                requests += 1
            check_equal(requests, 3, "a silent device: requests on its first connection")
        sock, _ = listener.accept()
        with sock:
            check(receive_frame(sock) is not None, "  and the next connection begins with a request")
            poller.stop(signal.SIGINT, "while it waits for a response")


def check_arguments() -> None:
    for words in ((), ("nowhere",), ("127.0.0.1:1", "more"), ("127.0.0.1:1", "--count", "126"),
                  ("127.0.0.1:1", "--address", "65535", "--count", "2"), ("127.0.0.1:1", "--timeout-ms", "0")):
        done = run(example("modbus_poller"), *words)
        check(done.returncode == 2 and done.stderr != "" and done.stdout == "", f"modbus_poller {' '.join(words)}: 2")
    done = run(example("modbus_poller"), "--help")
    check(done.returncode == 0 and done.stdout.startswith("usage: modbus_poller"), "modbus_poller --help: 0 and a usage")


for name in ("epoll", "poll"):
    check_restart(name)
check_signal_in_back_off()
check_silence()
check_arguments()
