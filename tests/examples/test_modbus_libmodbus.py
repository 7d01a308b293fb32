#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libmodbus, another implementation, as client of the example server and as server of the example client."""

import signal
import tempfile
from pathlib import Path

from harness import Server, check, check_equal, example, need, run, skip

UNIT = 17


def compile_peer(name: str, folder: str) -> str:
    flags = run("pkg-config", "--cflags", "--libs", "libmodbus")
    if flags.returncode != 0:
        skip("libmodbus is not installed")
    target = str(Path(folder) / name)
    source = str(Path(__file__).with_name(f"{name}.c"))
    done = run("cc", "-std=gnu11", "-Wall", "-Wextra", "-o", target, source, *flags.stdout.split())
    check(done.returncode == 0, f"{name}.c compiles" + ("" if done.returncode == 0 else f": {done.stderr}"))
    return target


def check_our_server(client: str) -> None:
    for platform in ("epoll", "poll"):
        words = (example("modbus_server"), "--listen", "127.0.0.1:0", "--units", str(UNIT), "--platform", platform)
        with Server(*words) as server:
            done = run(client, str(server.port), str(UNIT))
            print(done.stdout, end="")
            check_equal(done.returncode, 0, f"libmodbus' client against modbus_server on {platform}")


def check_our_client(server: Server, platform: str) -> None:
    def ours(command: str) -> tuple[int, str]:
        options = ("--timeout-ms", "20000", "--platform", platform)
        done = run(example("modbus_client"), server.address, *options, *command.split())
        return done.returncode, " ".join((done.stdout if done.returncode == 0 else done.stderr).split("\n")).strip()

    expected = {
        "write-coils 10 1 0 1 1": "",
        "write-coil 14 1": "",
        "read-coils 9 7": "9: 0 10: 1 11: 0 12: 1 13: 1 14: 1 15: 0",
        "read-discrete 3 2": "3: 1 4: 0",
        "write-registers 20 100 0x200 65535": "",
        "write-register 23 18": "",
        "mask-write 23 0xF2 0x25": "",
        "read-holding 20 4": "20: 100 21: 512 22: 65535 23: 23",
        "read-input 998 2": "998: 999 999: 1000",
        "read-write 20 2 21 7 8 9": "20: 100 21: 7",
        "write-coil 10 0": "",
        "read-coils 10 1": "10: 0",
    }
    for command, answer in expected.items():
        check_equal(ours(command), (0, answer), f"modbus_client on {platform}: {command}")
    check_equal(ours("read-holding 1000 1"), (1, "modbus_client: illegal data address (exception 2)"),
                "an address that the server does not have: the exception's name, and 1")


def main() -> None:
    need("cc", "pkg-config")
    with tempfile.TemporaryDirectory() as folder:
        check_our_server(compile_peer("libmodbus_client", folder))
        peer = compile_peer("libmodbus_server", folder)
        for platform in ("epoll", "poll"):
            server = Server(peer)
            check_our_client(server, platform)
            server.stop(signal.SIGKILL)


main()
