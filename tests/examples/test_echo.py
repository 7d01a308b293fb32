#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The echo server against sockets and against socat."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

from harness import Server, check, check_equal, example, read_line, receive_all, receive_exactly, run

LARGE = os.urandom(64 * 1024)
PARALLEL = 200
BUSY = 500
SILENT = 300
KEEPALIVE_TIMER = "02"  # the column `tr` of /proc/net/tcp


def start(*options: str, listen: str = "127.0.0.1:0", errors: int | None = None) -> Server:
    return Server(example("echo_server"), "--listen", listen, *options, errors=errors)


def exchange(server: Server, data: bytes) -> bytes:
    """Sends everything while receiving, half-closes, and returns what comes until the end."""
    with server.connect() as sock:
        def send() -> None:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        received = receive_all(sock)
        sender.join()
    return received


def check_streams(server: Server) -> None:
    check_equal(exchange(server, b""), b"", "a connection without a byte ends")
    check_equal(exchange(server, b"x"), b"x", "one byte, then half-close")
    check(exchange(server, LARGE) == LARGE, "64 KiB, then half-close")
    with server.connect() as sock:
        for i in range(100):
            sock.sendall(bytes([i]))
            if sock.recv(1) != bytes([i]):
                check(False, f"byte {i} by itself")
    check(True, "100 single bytes, each by itself")


def check_parallel(server: Server) -> None:
    socks = [server.connect() for _ in range(PARALLEL)]
    for i, sock in enumerate(socks):
        sock.sendall(b"%08d" % i)
    answers = [receive_exactly(sock, 8) for sock in reversed(socks)]
    for sock in socks:
        sock.close()
    check_equal(answers, [b"%08d" % i for i in reversed(range(PARALLEL))], f"{PARALLEL} connections at once")


def check_resets(server: Server) -> None:
    """Peers reset while the server has much to send to them."""
    for _ in range(10):
        with server.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(LARGE)
    check_equal(exchange(server, b"still there"), b"still there", "it echoes after ten resets")


def check_socat(server: Server) -> None:
    if shutil.which("socat") is None:
        print("not checked: socat is not installed")
        return
    done = run("socat", "-t", "20", "-", f"TCP:{server.address}", data=LARGE)
    check(done.returncode == 0 and done.stdout.encode("latin-1") == LARGE, "64 KiB through socat and back")


def check_idle(platform: str) -> None:
    with start("--platform", platform, "--idle-ms", "50") as server, server.connect() as sock:
        sock.sendall(b"hello")
        check_equal(receive_all(sock), b"hello", "--idle-ms: what came is echoed, then silence closes")


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def kept_alive(server: Server) -> int:
    """Returns how many of the server's connections have a keepalive timer."""
    port = f":{int(server.address.rsplit(':', 1)[1]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(row[1].endswith(port) and row[5].startswith(KEEPALIVE_TIMER + ":") for row in rows)


def check_silent(platform: str) -> None:
    """Silent clients do not hold the server's descriptors for ever."""
    with start("--platform", platform, "--idle-ms", "0") as server:
        socks = [server.connect() for _ in range(SILENT)]
        check_equal(kept_alive(server), SILENT, f"{SILENT} connections have keepalive timers")
        for sock in socks:
            sock.close()
    with start("--platform", platform, "--idle-ms", "200", errors=subprocess.DEVNULL) as server:
        before = descriptors(server)
        socks = [server.connect() for _ in range(SILENT)]
        ends = [receive_all(sock) for sock in socks]
        check_equal(ends, [b""] * SILENT, f"the streams of {SILENT} silent clients are ended")
        for sock in socks:
            sock.close()
        check_equal(exchange(server, b"x"), b"x", "  the server goes on")
        check_equal(descriptors(server), before, "  and has no more descriptors than before")
    done = run(example("echo_server"), "--help")
    check("(default 10000)" in done.stdout, "there is a limit by default")


def check_signals(platform: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        server = start("--platform", platform)
        socks = [server.connect() for _ in range(5)]
        socks[0].sendall(b"x")
        socks[0].recv(1)
        check_equal(server.stop(number), 0, f"{number.name} with connections open: 0")
        check_equal(start("--platform", platform).stop(number), 0, f"{number.name} right after the first line: 0")
        server = start("--platform", platform)
        socks = [server.connect() for _ in range(BUSY)]
        for sock in socks:
            sock.sendall(LARGE[:1000])
        check_equal(server.stop(number), 0, f"{number.name} with {BUSY} busy connections: 0")


def check_dump(platform: str) -> None:
    with start("--platform", platform, errors=subprocess.PIPE) as server, server.connect() as sock:
        sock.sendall(b"x")
        sock.recv(1)
        server.process.send_signal(signal.SIGUSR1)
        missing = {'"main"', '"echo"'}
        while missing and (line := read_line(server.process.stderr)):
            missing -= {name for name in missing if name in line}
        check_equal(missing, set(), "SIGUSR1 names the green threads")
        sock.sendall(b"y")
        check_equal(sock.recv(1), b"y", "it goes on after SIGUSR1")


def check_arguments() -> None:
    bad = ([], ["--listen"], ["--listen", "nowhere"], ["--listen", "127.0.0.1:65536"], ["--listen", "host.invalid:1"],
           ["--listen", "127.0.0.1:0", "more"], ["--listen", "127.0.0.1:0", "--platform", "abacus"],
           ["--listen", "127.0.0.1:0", "--idle-ms", "soon"], ["--listen", "127.0.0.1:0", "--idle-ms", "-1"],
           ["--listen", "127.0.0.1:0", "--idle-ms", "4294967295"], ["--unknown"])
    for words in bad:
        done = run(example("echo_server"), *words)
        check_equal(done.returncode, 2, f"bad arguments {words}: 2")
        check(done.stderr != "" and done.stdout == "", f"  and says so: {done.stderr.splitlines()[0]}")
    done = run(example("echo_server"), "--help")
    check(done.returncode == 0 and "--listen" in done.stdout, "--help: 0 and a usage")


def check_taken_port() -> None:
    with start() as server:
        done = run(example("echo_server"), "--listen", server.address)
        check(done.returncode == 1 and "cannot listen" in done.stderr, f"a port in use: 1 and {done.stderr.strip()!r}")


def check_ipv6() -> None:
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError:
        print("not checked: there is no IPv6 here")
        return
    with start(listen="[::1]:0") as server:
        check_equal(exchange(server, b"six"), b"six", f"IPv6, listening on {server.address}")


def main() -> None:
    for platform in ("epoll", "poll"):
        print(f"--- {platform}")
        with start("--platform", platform) as server:
            check_streams(server)
            check_parallel(server)
            check_resets(server)
            check_socat(server)
        check_idle(platform)
        check_silent(platform)
        check_signals(platform)
        check_dump(platform)
    print("--- the rest")
    check_arguments()
    check_taken_port()
    check_ipv6()


main()
