#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A caller in Python: an echo server and its client through libptk.so with ctypes, after docs/bindings.md alone.

Each runs on an OS thread of its own with its own loop, because CPython can have one green thread per loop with a body in
Python at a time."""

import ctypes
import os
import queue
import sys
import threading
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

from bindings import constants, layouts, library
from harness import check_equal, skip

if sys.implementation.name != "cpython" or sys.version_info >= (3, 14):
    skip("this Python compares the stack pointer with the OS thread's stack")

C = constants()
ptk = ctypes.CDLL(str(library()))
TIMEOUT_MS = 20000
MESSAGES = 50
Body = ctypes.CFUNCTYPE(c_int32, c_void_p)


class Address(ctypes.Structure):
    _fields_ = [("length", c_uint32), ("storage", c_uint64 * 16)]


class GreenOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("name", c_char_p), ("stack_bytes", c_size_t),
                ("stack", c_void_p), ("lifetime_ms", c_uint32), ("reserved", c_uint32)]


class ListenOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("backlog", c_uint32), ("reserved", c_uint32)]


def declare(result: type | None, name: str, *arguments: type) -> None:
    function = getattr(ptk, name)
    function.restype, function.argtypes = result, arguments


declare(c_void_p, "ptk_event_loop_platform_create")
declare(c_int32, "ptk_event_loop_platform_destroy", c_void_p)
declare(c_int32, "ptk_scheduler_run", c_void_p)
declare(c_void_p, "ptk_green_spawn_at", c_void_p, ctypes.POINTER(GreenOptions), Body, c_void_p, c_char_p, c_char_p, c_int)
declare(c_int32, "ptk_green_join", c_void_p, ctypes.POINTER(c_int32), c_uint32)
declare(c_char_p, "ptk_green_name", c_void_p)
declare(c_void_p, "ptk_tcp_listen", c_void_p, c_char_p, ctypes.POINTER(ListenOptions))
declare(c_void_p, "ptk_tcp_connect", c_char_p, c_uint32)
declare(c_int32, "ptk_sock_local_addr", c_void_p, c_void_p, ctypes.POINTER(c_uint32))
declare(c_int32, "ptk_addr_format", c_void_p, c_uint32, c_char_p, c_size_t)
declare(c_void_p, "ptk_sock_accept", c_void_p, c_void_p, c_void_p, c_uint32)
declare(c_int32, "ptk_sock_recv", c_void_p, c_void_p, c_size_t, c_uint32)
declare(c_int32, "ptk_sock_recv_some", c_void_p, c_void_p, c_size_t, ctypes.POINTER(c_size_t), c_uint32)
declare(c_int32, "ptk_sock_send", c_void_p, c_char_p, c_size_t, c_uint32)
declare(None, "ptk_sock_close", c_void_p)
declare(c_int32, "ptk_sleep_ms", c_uint32)
declare(c_int32, "ptk_get_err")
declare(c_char_p, "ptk_err_name", c_int32)


def check_layout(name: str, struct: type[ctypes.Structure]) -> None:
    size, fields = layouts()[name]
    found = {field: (getattr(struct, field).offset, getattr(struct, field).size) for field, *_ in struct._fields_}
    check_equal((ctypes.sizeof(struct), found), (size, fields), f"the layout of {name}")


def expect(err: int, wanted: int = C["PTK_OK"]) -> None:
    if err != wanted:
        raise RuntimeError(f"{ptk.ptk_err_name(err).decode()} instead of {ptk.ptk_err_name(wanted).decode()}")


def expect_object(pointer: int | None) -> int:
    if pointer is None:
        expect(ptk.ptk_get_err())
        raise RuntimeError("NULL without an error")
    return pointer


def run_green(loop: int, name: bytes, body: Callable[[], None]) -> None:
    """Runs `body` in a green thread until it has ended, and raises what it has raised."""
    raised: list[BaseException] = []

    def guarded(_argument: int | None) -> int:
        try:
            body()
        except BaseException as exception:  # none may leave the body
            raised.append(exception)
        return C["PTK_ERR_DONE"]

    entry = Body(guarded)
    options = GreenOptions(struct_size=ctypes.sizeof(GreenOptions), stack_bytes=1 << 20)
    green = expect_object(ptk.ptk_green_spawn_at(loop, byref(options), entry, None, name, b"test_python_caller.py", 1))
    if ptk.ptk_green_name(green) != name:
        raise RuntimeError("the green thread has another name")
    expect(ptk.ptk_scheduler_run(loop))
    result = c_int32(0)
    expect(ptk.ptk_green_join(green, byref(result), 0))
    if raised:
        raise raised[0]
    expect(result.value, C["PTK_ERR_DONE"])


def listen(loop: int) -> tuple[int, bytes]:
    options = ListenOptions(struct_size=ctypes.sizeof(ListenOptions), flags=C["PTK_TCP_LISTEN_KEEPALIVE"])
    listener = expect_object(ptk.ptk_tcp_listen(loop, b"127.0.0.1:0", byref(options)))
    address = Address(length=ctypes.sizeof(Address) - Address.storage.offset)
    text = ctypes.create_string_buffer(C["PTK_ADDR_TEXT_BYTES"])
    length = c_uint32(address.length)
    expect(ptk.ptk_sock_local_addr(listener, byref(address, Address.storage.offset), byref(length)))
    expect(ptk.ptk_addr_format(byref(address, Address.storage.offset), length, text, len(text)))
    return listener, text.value


def serve(listener: int) -> None:
    sock = expect_object(ptk.ptk_sock_accept(listener, None, None, TIMEOUT_MS))
    data, count = ctypes.create_string_buffer(1000), c_size_t(0)
    while (err := ptk.ptk_sock_recv_some(sock, data, len(data), byref(count), TIMEOUT_MS)) == C["PTK_OK"]:
        expect(ptk.ptk_sock_send(sock, data.raw[:count.value], count.value, TIMEOUT_MS))
    expect(err, C["PTK_ERR_EOF"])
    ptk.ptk_sock_close(sock)


def talk(address: bytes) -> None:
    sock = expect_object(ptk.ptk_tcp_connect(address, TIMEOUT_MS))
    for i in range(MESSAGES):
        message = b"message %d" % i
        data = ctypes.create_string_buffer(len(message))
        expect(ptk.ptk_sock_send(sock, message, len(message), TIMEOUT_MS))
        expect(ptk.ptk_sock_recv(sock, data, len(message), TIMEOUT_MS))
        if data.raw != message:
            raise RuntimeError(f"{data.raw!r} came back instead of {message!r}")
        expect(ptk.ptk_sleep_ms(1))
    expect(ptk.ptk_sock_recv(sock, data, 1, 1), C["PTK_ERR_TIMEOUT"])
    ptk.ptk_sock_close(sock)
    expect(ptk.ptk_sock_send(sock, b"x", 1, TIMEOUT_MS), C["PTK_ERR_CLOSED"])


def run_server(addresses: queue.Queue[bytes], ends: queue.Queue[object]) -> None:
    try:
        loop = expect_object(ptk.ptk_event_loop_platform_create())
        listener, address = listen(loop)
        addresses.put(address)
        run_green(loop, b"server", lambda: serve(listener))
        ptk.ptk_sock_close(listener)
        expect(ptk.ptk_event_loop_platform_destroy(loop))
        ends.put("the server has ended")
    except BaseException as exception:
        ends.put(exception)


def main() -> None:
    for name, struct in (("ptk_addr_t", Address), ("ptk_green_options_t", GreenOptions), ("ptk_tcp_listen_options_t", ListenOptions)):
        check_layout(name, struct)
    for platform in ("epoll", "poll"):
        os.environ["PTK_PLATFORM"] = platform
        addresses: queue.Queue[bytes] = queue.Queue()
        ends: queue.Queue[object] = queue.Queue()
        thread = threading.Thread(target=run_server, args=(addresses, ends), daemon=True)
        thread.start()
        address = addresses.get(timeout=TIMEOUT_MS / 1000)
        loop = expect_object(ptk.ptk_event_loop_platform_create())
        run_green(loop, b"client", lambda: talk(address))
        expect(ptk.ptk_event_loop_platform_destroy(loop))
        check_equal(ends.get(timeout=TIMEOUT_MS / 1000), "the server has ended", f"{MESSAGES} messages between two loops on {platform}")


main()
