"""Notices the end of another process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional


class Owner:
    """Notices the end of the process that asked for the servers."""

    def __init__(self, pid: int):
        self._path = Path(f"/proc/{pid}/stat")
        self._born = self._birth()
        try:
            self.waitables = [
                os.pidfd_open(pid)
            ]  # wakes us at once; without it the check comes with every tick
        except (AttributeError, OSError):
            self.waitables = []

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, *_: Any) -> None:
        for waitable in self.waitables:
            os.close(waitable)

    def ended(self) -> bool:
        """Whether it is gone (or its number belongs to another process by now)."""
        return self._born is None or self._birth() != self._born

    def _birth(self) -> Optional[str]:
        try:
            fields = self._path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
