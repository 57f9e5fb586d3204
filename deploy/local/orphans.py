"""Processes of an instance whose supervisor is gone.

A process is ours if its environment carries the instance's mark, or if it is a PostgreSQL process working in the
instance's data directory (PostgreSQL's own children overwrite their environment with their title). A process id from
a file is never enough: it may belong to a stranger by now.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Dict, Iterator, List

from .console import Console
from .instance import Instance

GRACE_SECONDS = 10.0


def find(instance: Instance) -> Dict[int, str]:
    """Everything alive that belongs to the instance, by process id, without ourselves and our ancestors."""
    mark = os.fsencode(instance.mark) + b"="
    data = str(instance.dir / "postgres" / "data")
    spare = set(_lineage())
    return {pid: _name(pid) for pid in _processes() if pid not in spare and _is_ours(pid, mark, data)}


def stop(instance: Instance, console: Console, why: str) -> None:
    """Ends every process of the instance: politely, then not; PostgreSQL in a way that keeps its data."""
    found = find(instance)
    if not found:
        return
    names = ", ".join(f"{name} ({pid})" for pid, name in sorted(found.items()))
    console.step(f"{why}: {names}")
    deadline = time.monotonic() + GRACE_SECONDS
    told: set[int] = set()
    while found:
        late = time.monotonic() > deadline
        for pid, name in found.items():
            if late:
                _send(pid, signal.SIGKILL)
            elif pid not in told:
                # A smart shutdown (TERM) waits for clients; an immediate one (QUIT) does not.
                _send(pid, signal.SIGQUIT if name == "postgres" else signal.SIGTERM)
                told.add(pid)
        time.sleep(0.05)
        found = find(instance)


def postgres_processes(data: Path) -> List[int]:
    """The server on this data directory and its children."""
    return [pid for pid in _processes() if _works_in(pid, str(data))]


def wait_gone(data: Path, limit: float = 5.0) -> None:
    """Waits until no PostgreSQL process works in `data`: while one does, a new one refuses to start."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and postgres_processes(data):
        time.sleep(0.05)


def _is_ours(pid: int, mark: bytes, data: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        environment = b""  # another user's, or already gone
    return any(entry.startswith(mark) for entry in environment.split(b"\0")) or _works_in(pid, data)


def _works_in(pid: int, data: str) -> bool:
    try:
        return _name(pid) == "postgres" and os.readlink(f"/proc/{pid}/cwd") == data
    except OSError:
        return False


def _processes() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _alive(int(entry)))


def _alive(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"])


def _stat(pid: int) -> List[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _lineage() -> Iterator[int]:
    pid = os.getpid()
    while pid > 0:
        yield pid
        fields = _stat(pid)
        pid = int(fields[1]) if len(fields) > 1 else 0


def _send(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, what)
