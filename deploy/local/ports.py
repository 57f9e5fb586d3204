"""Free loopback ports.

They are taken from below the kernel's range for outgoing connections, not with bind(0), which hands out ports from
inside that range: while a server is down, an outgoing connection may get its port, and a client that tries again and
again to reach a dead loopback port inside the range ends up connected to itself, which keeps the server from ever
binding it again.
"""

from __future__ import annotations

import random
import socket
from typing import Iterable

LOWEST = 15000
RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range"


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # servers set it too
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
        return True


def choose(taken: Iterable[int] = ()) -> int:
    """A port that is free now and not in `taken`."""
    avoid = set(taken)
    candidates = [port for port in range(LOWEST, _outgoing_low()) if port not in avoid]
    for port in random.sample(candidates, min(len(candidates), 200)):
        if is_free(port):
            return port
    with socket.socket() as probe:  # an unusual range: any port is better than none
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _outgoing_low() -> int:
    try:
        with open(RANGE_FILE, encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError):
        return 32768
