#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mbpoll reads and writes the Modbus server's four tables."""

import re
import subprocess

from harness import Server, check, check_equal, example, need, run

COILS, DISCRETE_INPUTS, INPUT_REGISTERS, HOLDING_REGISTERS = "0", "1", "3", "4"


def mbpoll(server: Server, unit: int, table: str, first: int, *values: int,
           count: int = 1) -> subprocess.CompletedProcess[str]:
    """Polls once; with values, writes. Addresses begin at 0."""
    words = ["mbpoll", "-m", "tcp", "-0", "-1", "-o", "10", "-p", str(server.port), "-a", str(unit), "-t", table,
             "-r", str(first)]
    if not values:
        words += ["-c", str(count)]
    return run(*words, server.host, *map(str, values))


def read(server: Server, unit: int, table: str, first: int, count: int) -> dict[int, int]:
    done = mbpoll(server, unit, table, first, count=count)
    return {int(at): int(value) for at, value in re.findall(r"^\[(\d+)\]:\s+(\d+)", done.stdout, re.MULTILINE)}


def write(server: Server, unit: int, table: str, first: int, *values: int) -> bool:
    done = mbpoll(server, unit, table, first, *values)
    return done.returncode == 0 and f"Written {len(values)} references" in done.stdout


def row(first: int, *values: int) -> dict[int, int]:
    return {first + i: value for i, value in enumerate(values)}


def check_unit(server: Server, unit: int) -> None:
    check_equal(read(server, unit, INPUT_REGISTERS, 0, 3), row(0, 100 * unit, 100 * unit + 1, 100 * unit + 2),
                f"unit {unit}: input registers")
    check_equal(read(server, unit, DISCRETE_INPUTS, 4, 3), row(4, 0, 1, 0), f"unit {unit}: discrete inputs")
    check_equal(read(server, unit, HOLDING_REGISTERS, 10, 2), row(10, 0, 0), f"unit {unit}: registers are 0 at first")
    check(write(server, unit, HOLDING_REGISTERS, 10, unit), f"unit {unit}: write one register")
    check(write(server, unit, HOLDING_REGISTERS, 11, 1, 2, 65535), f"unit {unit}: write registers")
    check_equal(read(server, unit, HOLDING_REGISTERS, 10, 5), row(10, unit, 1, 2, 65535, 0), f"unit {unit}: read back")
    check(write(server, unit, COILS, 7, 1), f"unit {unit}: write one coil")
    check(write(server, unit, COILS, 8, 0, 1, 1), f"unit {unit}: write coils")
    check_equal(read(server, unit, COILS, 6, 6), row(6, 0, 1, 0, 1, 1, 0), f"unit {unit}: read back")


def check_exceptions(server: Server) -> None:
    done = mbpoll(server, 1, HOLDING_REGISTERS, 65535, count=2)
    check("Illegal data address" in done.stdout + done.stderr, "two registers from 65535 on: illegal data address")
    done = mbpoll(server, 99, HOLDING_REGISTERS, 0)
    check("Target device failed to respond" in done.stdout + done.stderr, "unit 99: target device failed to respond")


def main() -> None:
    need("mbpoll")
    for platform in ("epoll", "poll"):
        print(f"--- {platform}")
        words = (example("modbus_server"), "--listen", "127.0.0.1:0", "--units", "1-3,247", "--platform", platform)
        with Server(*words) as server:
            for unit in (1, 2, 247):
                check_unit(server, unit)
            check_exceptions(server)


main()
