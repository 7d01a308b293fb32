#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Modbus programs as programs: arguments, signals, exit statuses."""

import signal
import socket

from harness import Server, check, check_equal, example, run

LISTEN = ("--listen", "127.0.0.1:0")


def check_bad(name: str, *words: str) -> None:
    done = run(example(name), *words)
    check(done.returncode == 2 and done.stderr != "" and done.stdout == "",
          f"{name} {' '.join(words)[:60]}: {done.returncode}, {done.stderr.splitlines()[:1]}")


def check_arguments() -> None:
    check_bad("modbus_server")
    check_bad("modbus_server", "--listen", "127.0.0.1")
    check_bad("modbus_server", *LISTEN, "more")
    check_bad("modbus_server", *LISTEN, "--platform", "abacus")
    for units in ("", "-", "x", "256", "1-", "5-3", "1,,2", "1-300", "1;2"):
        check_bad("modbus_server", *LISTEN, "--units", units)
    check_bad("modbus_server", *LISTEN, "--request-ms", "1s")

    there = "127.0.0.1:1"
    check_bad("modbus_client")
    check_bad("modbus_client", "nowhere", "read-coils", "0", "1")
    check_bad("modbus_client", there)
    for command in ("read", "read-coils", "read-coils 0", "read-coils 0 0", "read-coils 0 2001", "read-coils 65536 1",
                    "read-discrete 0 2001", "read-holding 0 126", "read-input 0 126", "read-input 0 1 2",
                    "write-coil 0 2", "write-coils 0", "write-coils 0 1 2", "write-register 0 65536",
                    "write-registers 0", "write-registers 0" + " 1" * 124, "mask-write 0 1", "read-write 0 126 0 1",
                    "read-write 0 1 0", "read-write 0 1 0" + " 1" * 122, "read-holding 0 1 --unit 256",
                    "read-holding 0 1 --timeout-ms x", "read-holding 0 1 --repeat 0", "read-holding 0 -1"):
        check_bad("modbus_client", there, *command.split())
    for name in ("modbus_server", "modbus_client", "modbus_demo"):
        done = run(example(name), "--help")
        check(done.returncode == 0 and done.stdout.startswith(f"usage: {name}"), f"{name} --help: 0 and a usage")


def check_units() -> None:
    with Server(example("modbus_server"), *LISTEN, "--units", "0,3-5,255") as server:
        found = {}
        for unit in (0, 1, 2, 3, 4, 5, 6, 254, 255):
            done = run(example("modbus_client"), server.address, "--unit", str(unit), "read-input", "1", "1")
            found[unit] = done.returncode
        check_equal(found, {0: 0, 1: 1, 2: 1, 3: 0, 4: 0, 5: 0, 6: 1, 254: 1, 255: 0}, "--units 0,3-5,255")


def check_limits() -> None:
    """The largest requests and the largest responses."""
    with Server(example("modbus_server"), *LISTEN) as server:
        def ours(*words: str) -> str:
            done = run(example("modbus_client"), server.address, "--timeout-ms", "20000", *words)
            check_equal(done.returncode, 0, f"{' '.join(words[:4])} ... ({len(words)} words)")
            return done.stdout

        bits = [str(i % 3 // 2) for i in range(1968)]
        ours("write-coils", "1000", *bits)
        found = ours("read-coils", "1000", "2000").split()[1::2]
        check_equal(found, bits + ["0"] * 32, "  1968 coils come back")
        values = [str(i * 532) for i in range(123)]
        ours("write-registers", "65413", *values)
        found = ours("read-holding", "65411", "125").split()[1::2]
        check_equal(found, ["0", "0"] + values, "  123 registers come back")
        found = ours("read-write", "0", "125", "0", *values[:121]).split()[1::2]
        check_equal(found, values[:121] + ["0"] * 4, "  121 registers come back at once")


def check_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Server(example("modbus_server"), *LISTEN)
        with server.connect(), server.connect() as half:
            half.sendall(b"\0\1\0")
            check_equal(server.stop(number), 0, f"modbus_server, {number.name} with half a request under way: 0")


def check_nobody_there() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # taken, but it does not listen
        done = run(example("modbus_client"), f"127.0.0.1:{sock.getsockname()[1]}", "read-coils", "0", "1")
        check_equal((done.returncode, done.stderr), (1, "modbus_client: connection refused\n"), "no listener: 1")


def main() -> None:
    check_arguments()
    check_units()
    check_limits()
    check_signals()
    check_nobody_there()


main()
