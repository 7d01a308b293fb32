#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frames that are wrong in every way: the server responds with the right exception, or closes, and goes on."""

import errno
import os
import random
import socket
import struct

from harness import Server, check, check_equal, example, receive_all
from modbus_raw import frame, is_closed, receive_frame

UNIT = 5
GOOD_PDU = bytes.fromhex("0400000001")  # input register 0
GOOD = frame(1, UNIT, GOOD_PDU)
GOOD_ANSWER = (1, UNIT, b"\x04\x02" + struct.pack(">H", 100 * UNIT))
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET = 1, 2, 3, 11
CLOSED = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
FUNCTIONS = (1, 2, 3, 4, 5, 6, 15, 16, 22, 23)


def start(platform: str, *options: str) -> Server:
    return Server(example("modbus_server"), "--listen", "127.0.0.1:0", "--platform", platform, *options)


def answer_to(server: Server, data: bytes) -> tuple[int, int, bytes] | None:
    with server.connect() as sock:
        sock.sendall(data)
        return receive_frame(sock)


def check_alive(server: Server, after: str) -> None:
    check_equal(answer_to(server, GOOD), GOOD_ANSWER, f"after {after} a good request is answered")


def check_refused(server: Server, sock: socket.socket, pdu: bytes, exception: int, what: str, unit: int = UNIT) -> None:
    """The exception comes, and the same connection still answers a good request."""
    sock.sendall(frame(77, unit, pdu) + GOOD)
    refused = (77, unit, bytes([pdu[0] | 0x80, exception]))
    check_equal([receive_frame(sock), receive_frame(sock)], [refused, GOOD_ANSWER], f"exception {exception}: {what}")


def check_truncation(server: Server) -> None:
    request = frame(1, UNIT, bytes.fromhex("17 0000 0002 0010 0002 04 0001 0002"))
    for cut in range(1, len(request)):
        with server.connect() as sock:
            sock.sendall(request[:cut])
            sock.shutdown(socket.SHUT_WR)
            if receive_all(sock) != b"":
                check(False, f"no answer to the first {cut} bytes of a request")
    check(True, f"a request cut off after each of its bytes 1 to {len(request) - 1}: closed without an answer")
    check_alive(server, "cut requests")


def check_half_sent(platform: str) -> None:
    """Half a request, and then nothing: the server closes the connection."""
    with start(platform, "--request-ms", "50") as server:
        for cut in (1, 6, 7, 8, len(GOOD) - 1):
            with server.connect() as sock:
                sock.sendall(GOOD + GOOD[:cut])
                check_equal(receive_frame(sock), GOOD_ANSWER, "a whole request")
                check(is_closed(sock), f"  and {cut} bytes of the next: closed after --request-ms")
    with start(platform, "--idle-ms", "50") as server:
        with server.connect() as sock:
            sock.sendall(GOOD)
            check_equal(receive_frame(sock), GOOD_ANSWER, "a request")
            check(is_closed(sock), "  and silence: closed after --idle-ms")


def check_headers(server: Server) -> None:
    for length in (0, 1, 255, 256, 260, 32768, 65535):
        with server.connect() as sock:
            sock.sendall(frame(1, UNIT, GOOD_PDU, length=length))
            check(is_closed(sock), f"length {length}: closed")
    for protocol in (1, 255, 256, 65535):
        with server.connect() as sock:
            sock.sendall(frame(1, UNIT, GOOD_PDU, protocol=protocol))
            check(is_closed(sock), f"protocol id {protocol}: closed")
    check_alive(server, "bad headers")


def check_functions(server: Server) -> None:
    with server.connect() as sock:
        for function in range(256):
            if function in FUNCTIONS:
                continue
            sock.sendall(frame(function, UNIT, bytes([function, 0, 0, 0, 1])))
            expected = (function, UNIT, bytes([function | 0x80, ILLEGAL_FUNCTION]))
            if receive_frame(sock) != expected:
                check(False, f"function {function}: illegal function")
        check(True, f"all {256 - len(FUNCTIONS)} unknown function codes: exception 1, on one connection")


def check_lengths(server: Server) -> None:
    good = {1: "0000 0008", 2: "0000 0008", 3: "0000 0002", 4: "0000 0002", 5: "0001 FF00", 6: "0001 1234",
            15: "0000 000A 02 FFFF", 16: "0000 0002 04 0001 0002", 22: "0001 00F2 0025",
            23: "0000 0002 0010 0002 04 0001 0002"}
    with server.connect() as sock:
        for function, rest in good.items():
            pdu = bytes([function]) + bytes.fromhex(rest)
            for wrong in [pdu[:cut] for cut in range(1, len(pdu))] + [pdu + b"\0", pdu + bytes(100)]:
                sock.sendall(frame(9, UNIT, wrong))
                if receive_frame(sock) != (9, UNIT, bytes([function | 0x80, ILLEGAL_VALUE])):
                    check(False, f"function {function}, {len(wrong)} bytes instead of {len(pdu)}: illegal data value")
            sock.sendall(frame(9, UNIT, pdu))
            answer = receive_frame(sock)
            check(answer is not None and answer[2][0] == function,
                  f"function {function}: every wrong length is refused, the right one is not")


def check_limits(server: Server) -> None:
    def words(*numbers: int) -> bytes:
        return struct.pack(f">{len(numbers)}H", *numbers)

    wrong = {"0 coils": b"\x01" + words(0, 0), "2001 coils": b"\x01" + words(0, 2001),
             "65535 coils": b"\x01" + words(0, 65535),
             "0 discrete inputs": b"\x02" + words(0, 0), "2001 discrete inputs": b"\x02" + words(0, 2001),
             "0 holding registers": b"\x03" + words(0, 0), "126 holding registers": b"\x03" + words(0, 126),
             "0 input registers": b"\x04" + words(0, 0), "126 input registers": b"\x04" + words(0, 126),
             "a coil that is 1": b"\x05" + words(0, 1), "a coil that is FF01": b"\x05" + words(0, 0xFF01),
             "to write 0 coils": b"\x0f" + words(0, 0) + b"\0",
             "to write 1969 coils": b"\x0f" + words(0, 1969) + b"\xf7" + bytes(247),
             "8 coils in 2 bytes": b"\x0f" + words(0, 8) + b"\x02\0\0",
             "9 coils in 1 byte": b"\x0f" + words(0, 9) + b"\x01\0",
             "to write 0 registers": b"\x10" + words(0, 0) + b"\0",
             "to write 124 registers": b"\x10" + words(0, 124) + b"\xf8" + bytes(247),
             "2 registers in 2 bytes": b"\x10" + words(0, 2) + b"\x02\0\0",
             "1 register in 1 byte": b"\x10" + words(0, 1) + b"\x01\0",
             "23 that reads 0": b"\x17" + words(0, 0, 0, 1) + b"\x02\0\0",
             "23 that reads 126": b"\x17" + words(0, 126, 0, 1) + b"\x02\0\0",
             "23 that writes 0": b"\x17" + words(0, 1, 0, 0) + b"\0",
             "23 that writes 122": b"\x17" + words(0, 1, 0, 122) + b"\xf4" + bytes(243)}
    beyond = {"coil 65535 and one more": b"\x01" + words(65535, 2),
              "2000 inputs from 63537 on": b"\x02" + words(63537, 2000),
              "register 65535 and one more": b"\x03" + words(65535, 2),
              "125 registers from 65412 on": b"\x04" + words(65412, 125),
              "to write coil 65535 and one more": b"\x0f" + words(65535, 2) + b"\x01\0",
              "to write register 65535 and one more": b"\x10" + words(65535, 2) + b"\x04" + bytes(4),
              "23 that reads beyond": b"\x17" + words(65535, 2, 0, 1) + b"\x02\0\0",
              "23 that writes beyond": b"\x17" + words(0, 1, 65535, 2) + b"\x04" + bytes(4)}
    with server.connect() as sock:
        for what, pdu in wrong.items():
            check_refused(server, sock, pdu, ILLEGAL_VALUE, what)
        for what, pdu in beyond.items():
            check_refused(server, sock, pdu, ILLEGAL_ADDRESS, what)
        check_refused(server, sock, GOOD_PDU, NO_TARGET, "a unit that is not there", unit=250)


def check_pieces(server: Server) -> None:
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GOOD * 20:
            sock.send(bytes([byte]))
        answers = [receive_frame(sock) for _ in range(20)]
    check_equal(answers, [GOOD_ANSWER] * 20, "20 requests, sent in single bytes")
    with server.connect() as sock:
        sock.sendall(b"".join(frame(i, UNIT, GOOD_PDU) for i in range(500)))
        answers = [receive_frame(sock) for _ in range(500)]
    check_equal(answers, [(i, UNIT, GOOD_ANSWER[2]) for i in range(500)], "500 requests at once: answered in order")


def garbage(generator: random.Random) -> bytes:
    """Random bytes, or frames that contain random bytes."""
    if generator.random() < 0.3:
        return generator.randbytes(generator.randrange(1, 600))
    data = b""
    for _ in range(generator.randrange(1, 10)):
        function = generator.choice(FUNCTIONS) if generator.random() < 0.8 else generator.randrange(256)
        pdu = bytes([function]) + generator.randbytes(generator.choice((0, 4, 4, 4, 5, 7, 9, 12, 100, 252)))
        data += frame(generator.randrange(65536), generator.choice((UNIT, UNIT, generator.randrange(256))), pdu)
    return data[:generator.randrange(1, len(data) + 1)] if generator.random() < 0.3 else data


def check_garbage(server: Server, seed: int) -> None:
    generator = random.Random(seed)
    for data, wait in [(garbage(generator), generator.random() < 0.5) for _ in range(500)]:
        with server.connect() as sock:
            try:
                sock.sendall(data)
                if wait:
                    sock.shutdown(socket.SHUT_WR)
                    receive_all(sock)
            except OSError as error:
                if error.errno not in CLOSED:  # it may close in the middle
                    raise
    check_alive(server, f"500 connections with garbage, seed {seed}")


def main() -> None:
    seed = int(os.environ.get("PTK_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    print(f"seed {seed} (PTK_TEST_SEED={seed} repeats it)")
    for platform in ("epoll", "poll"):
        print(f"--- {platform}")
        with start(platform, "--units", str(UNIT)) as server:
            check_truncation(server)
            check_headers(server)
            check_functions(server)
            check_lengths(server)
            check_limits(server)
            check_pieces(server)
            check_garbage(server, seed)
        check_half_sent(platform)


main()
