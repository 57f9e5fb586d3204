"""Shows the warnings and errors that Herald's processes write to their logs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import List, Optional

from .console import Console

# A level near the start of a line for people, or the level field of a JSON line.
SERIOUS = re.compile(r'^.{0,60}?\b(WARN|ERROR)\b|"level":"(WARN|ERROR)"')
LINES_PER_WINDOW = 5
WINDOW_SECONDS = 10.0
LONGEST = 400


class LogWatch:
    """Follows one log from its present end. At most 5 lines in 10 seconds: the rest is counted."""

    def __init__(self, title: str, log: Path, console: Console):
        self._title, self._log, self._console = title, log, console
        self._position = log.stat().st_size if log.exists() else 0
        self._rest = b""
        self._window_end = 0.0
        self._shown = self._hidden = 0

    def __call__(self) -> None:
        """Shows what is new."""
        if self._hidden and time.monotonic() > self._window_end:
            self._console.say(f"  {self._title}: {self._hidden} more such lines in {self._log}")
            self._hidden = 0
        for line in self._new_lines():
            if SERIOUS.search(line):
                self._show(line)

    def _show(self, line: str) -> None:
        now = time.monotonic()
        if now > self._window_end:
            self._window_end, self._shown = now + WINDOW_SECONDS, 0
        if self._shown == LINES_PER_WINDOW:
            self._hidden += 1
            return
        self._shown += 1
        self._console.say(f"  {self._title}: {line[:LONGEST]}")

    def _new_lines(self) -> List[str]:
        chunk = self._read()
        if not chunk:
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def _read(self) -> Optional[bytes]:
        try:
            with open(self._log, "rb") as log:
                log.seek(self._position)
                chunk = log.read(1 << 20)
        except OSError:
            return None
        self._position += len(chunk)
        return chunk
