"""Asks a broker whether a client can log in, with a whole AMQP 0-9-1 handshake: a connection that ends in the middle
of it would leave a warning in the broker's log."""

from __future__ import annotations

import socket
import struct
from typing import Tuple

START, TUNE, OPEN_OK = (10, 10), (10, 30), (10, 41)


def can_log_in(port: int, user: str, password: str, vhost: str = "/") -> bool:
    """Whether the broker on this loopback port lets the user into the vhost."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.settimeout(2)
            link.sendall(b"AMQP\x00\x00\x09\x01")
            _expect(link, START)
            answer = f"\0{user}\0{password}".encode()
            _send(link, 11, _long(b"") + _short("PLAIN") + _long(answer) + _short("en_US"))
            limits = _expect(link, TUNE)
            _send(link, 31, limits[:8])
            _send(link, 40, _short(vhost) + _short("") + b"\0")
            _expect(link, OPEN_OK)
            _send(link, 50, struct.pack("!H", 200) + _short("bye") + struct.pack("!HH", 0, 0))
            _frame(link)
            return True
    except (OSError, ValueError):
        return False


def _send(link: socket.socket, method: int, arguments: bytes) -> None:
    payload = struct.pack("!HH", 10, method) + arguments
    link.sendall(struct.pack("!BHI", 1, 0, len(payload)) + payload + b"\xce")


def _expect(link: socket.socket, wanted: Tuple[int, int]) -> bytes:
    method, arguments = _frame(link)
    if method != wanted:
        raise ValueError(f"the broker answered {method}, not {wanted}")
    return arguments


def _frame(link: socket.socket) -> Tuple[Tuple[int, int], bytes]:
    _, _, size = struct.unpack("!BHI", _read(link, 7))
    payload = _read(link, size + 1)[:-1]
    class_id, method_id = struct.unpack("!HH", payload[:4])
    return (class_id, method_id), payload[4:]


def _read(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = link.recv(size - len(data))
        if not chunk:
            raise ValueError("the broker closed the connection")
        data += chunk
    return data


def _long(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def _short(text: str) -> bytes:
    return struct.pack("!B", len(text)) + text.encode()
