#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server that responds late, twice, or wrongly: the client accepts only the response to its own request."""

import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator

from harness import LIMIT_S, check, check_equal, example, running
from modbus_raw import frame, is_closed, receive_frame

UNIT = 1
WRONG, RIGHT = 111, 222
GOOD = f"0: {RIGHT}"
NO_ANSWER = "modbus_client: a network failure, or a response that does not fit the request"
TIMEOUT = "modbus_client: the call's own timeout passed"

Script = Callable[[socket.socket], None]


def answer(transaction: int, value: int, unit: int = UNIT, function: int = 3) -> bytes:
    """Returns the response to a request for one holding register."""
    return frame(transaction, unit, bytes([function, 2]) + struct.pack(">H", value))


def ask(script: Script, *options: str, platform: str) -> tuple[int, list[str], list[str]]:
    """Lets the client read a register from the script; returns exit status, lines of output, lines of errors."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        words = [example("modbus_client"), address, "--platform", platform, *options, "read-holding", "0", "1"]
        client = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(client)
        sock, _ = listener.accept()
        with sock:
            script(sock)
        try:
            output, errors = client.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            sys.exit("FAILED: the client does not end")
    return client.returncode, output.splitlines(), errors.splitlines()


def next_id(sock: socket.socket) -> int | None:
    """Returns the id of the next request; None when the client sends no more."""
    request = receive_frame(sock)
    return request[0] if request else None


def ids(sock: socket.socket, count: int) -> Iterator[list[int]]:
    """Requests in groups. When a second request has come, the first one has timed out."""
    while len(group := [i for i in (next_id(sock) for _ in range(count)) if i is not None]) == count:
        yield group


def right(sock: socket.socket) -> None:
    for (only,) in ids(sock, 1):
        sock.sendall(answer(only, RIGHT))


def twice(sock: socket.socket) -> None:
    for (only,) in ids(sock, 1):
        sock.sendall(answer(only, RIGHT) + answer(only, WRONG))


def late(sock: socket.socket) -> None:
    for first, second in ids(sock, 2):
        sock.sendall(answer(first, WRONG) + answer(second, RIGHT))


def very_late(sock: socket.socket) -> None:
    for first, second, third in ids(sock, 3):
        sock.sendall(answer(second, WRONG) + answer(first, WRONG) + answer(third, RIGHT))


def cut_late(after: int) -> Script:
    """The timeout expires when `after` bytes of the response have come."""
    def script(sock: socket.socket) -> None:
        while (first := next_id(sock)) is not None:
            late_answer = answer(first, WRONG)
            sock.sendall(late_answer[:after])
            second = next_id(sock)
            if second is not None:
                sock.sendall(late_answer[after:] + answer(second, RIGHT))
    return script


def then_closed(make: Callable[[int], bytes]) -> Script:
    """Responds with what `make` makes of the id; the client must close."""
    def script(sock: socket.socket) -> None:
        sock.sendall(make(next_id(sock) or 0))
        check(is_closed(sock), "  the client closes the connection")
    return script


def check_late(platform: str) -> None:
    patient = ("--timeout-ms", "20000")
    status, output, errors = ask(right, *patient, "--repeat", "3", platform=platform)
    check_equal((status, output, errors), (0, [GOOD] * 3, []), "right answers are taken")
    status, output, errors = ask(twice, *patient, "--repeat", "3", platform=platform)
    check_equal((status, output, errors), (0, [GOOD] * 3, []), "an answer that comes twice is not the next one's")
    scripts = {"one request late": late, "two requests late, in the wrong order": very_late,
               **{f"late, with a timeout after {after} of its 11 bytes": cut_late(after) for after in (1, 6, 7, 8, 10)}}
    for what, script in scripts.items():
        status, output, errors = ask(script, "--timeout-ms", "100", "--repeat", "6", platform=platform)
        check(status == 1 and set(output) == {GOOD} and set(errors) == {TIMEOUT},
              f"{what}: thrown away, and the right ones are taken ({len(output)} of 6)")


def check_nonsense(platform: str) -> None:
    nonsense = {
        "an id that was never sent": lambda i: answer((i + 1) % 65536, WRONG),
        "another id that was never sent": lambda i: answer((i + 32768) % 65536, WRONG),
        "another unit": lambda i: answer(i, WRONG, unit=2),
        "another function": lambda i: answer(i, WRONG, function=4),
        "another function's exception": lambda i: frame(i, UNIT, b"\x84\x02"),
        "an exception that is none": lambda i: frame(i, UNIT, b"\x83\x00"),
        "two registers": lambda i: frame(i, UNIT, b"\x03\x04\0\0\0\0"),
        "a byte count that lies": lambda i: frame(i, UNIT, b"\x03\x04\0\0"),
        "a byte too many": lambda i: frame(i, UNIT, b"\x03\x02\0\0\0"),
        "a byte too few": lambda i: frame(i, UNIT, b"\x03\x02\0"),
        "another protocol": lambda i: frame(i, UNIT, b"\x03\x02\0\0", protocol=1),
        "length 0": lambda i: frame(i, UNIT, b"\x03\x02\0\0", length=0),
        "length 1": lambda i: frame(i, UNIT, b"\x03\x02\0\0", length=1),
        "length 255": lambda i: frame(i, UNIT, b"\x03\x02\0\0", length=255),
    }
    for what, make in nonsense.items():
        found = ask(then_closed(make), "--timeout-ms", "20000", platform=platform)
        check_equal(found, (1, [], [NO_ANSWER]), f"{what}: no answer")
    found = ask(then_closed(lambda i: frame(i, UNIT, b"\x83\x0b")), "--timeout-ms", "20000", platform=platform)
    check_equal(found, (1, [], ["modbus_client: gateway target device failed to respond (exception 11)"]),
                "an exception is an answer, and its name is printed")


def check_end_of_stream(platform: str) -> None:
    def cut(sock: socket.socket) -> None:
        sock.sendall(answer(next_id(sock) or 0, WRONG)[:10])

    def end(sock: socket.socket) -> None:
        next_id(sock)

    for script, what in ((cut, "the stream ends within an answer"), (end, "the stream ends without an answer")):
        status, output, errors = ask(script, "--timeout-ms", "20000", platform=platform)
        check((status, output, len(errors)) == (1, [], 1), f"{what}: {errors}")


def main() -> None:
    for platform in ("epoll", "poll"):
        print(f"--- {platform}")
        check_late(platform)
        check_nonsense(platform)
        check_end_of_stream(platform)


main()
