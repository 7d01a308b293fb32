# SPDX-License-Identifier: MIT
"""Modbus/TCP frames as bytes, correct and wrong ones."""

import socket
import struct

from harness import receive_exactly


def frame(transaction: int, unit: int, pdu: bytes, protocol: int = 0, length: int | None = None) -> bytes:
    """Returns a frame; `length` replaces the length in its header."""
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1 if length is None else length, unit) + pdu


def receive_frame(sock: socket.socket) -> tuple[int, int, bytes] | None:
    """Returns transaction id, unit id and PDU of the next frame; None if the stream ends or is reset."""
    try:
        header = receive_exactly(sock, 7)
        if len(header) < 7:
            return None
        transaction, protocol, length, unit = struct.unpack(">HHHB", header)
        assert protocol == 0 and 2 <= length <= 254, header.hex()
        pdu = receive_exactly(sock, length - 1)
        return (transaction, unit, pdu) if len(pdu) == length - 1 else None
    except ConnectionError:
        return None


def is_closed(sock: socket.socket) -> bool:
    """Returns whether the peer ends the stream, or resets it, without another byte."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True
