"""What the user sees: short lines on the terminal, the same lines in a log, and problems that say what to do."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO, Optional

TAIL_BYTES = 64 * 1024
KNOWN_CASES = (
    'Put right what is said above and try again. Known cases: deploy/README.md, "If something goes wrong".'
)


class Problem(Exception):
    """Something the user has to know about: what happened, what to do next, and the log that tells more (from the
    byte `log_from` on: what earlier runs wrote is not to blame)."""

    def __init__(self, what: str, todo: str = "", log: Optional[Path] = None, log_from: int = 0):
        super().__init__(what)
        self.what, self.todo, self.log, self.log_from = what, todo, log, log_from


class Console:
    """Prints to the terminal and, once `keep` was called, to a log file too. A closed terminal is not an error:
    the servers go on until they are told to stop."""

    def __init__(self, stream: Optional[IO[str]] = None):
        self._stream = stream or sys.stdout
        self._copy: Optional[IO[str]] = None

    def keep(self, path: Path) -> None:
        """From now on writes every line, with its time, to `path` as well."""
        self._copy = open(path, "a", encoding="utf-8", buffering=1)  # until the process ends

    def say(self, text: str = "") -> None:
        """One or more lines."""
        self._write(self._stream, text + "\n")
        if self._copy:
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            self._write(self._copy, "".join(f"{now} {line}\n" for line in text.splitlines()))

    def step(self, text: str) -> None:
        """A line of progress."""
        self.say(f"· {text}")

    def warn(self, text: str) -> None:
        """A line the user should not miss."""
        self.say(f"! {text}")

    def problem(self, problem: Problem) -> None:
        """A problem, the end of its log, and what to do."""
        self.say()
        self.warn(problem.what)
        if problem.log:
            lines = tail(problem.log, problem.log_from)
            self.say(f"  The end of {problem.log}:" if lines else f"  It wrote nothing to {problem.log}.")
            for line in lines:
                self.say(f"    | {line}")
        self.say("\n".join(f"  {line}" for line in (problem.todo or KNOWN_CASES).splitlines()))

    @staticmethod
    def _write(stream: IO[str], text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError, UnicodeEncodeError):
            pass  # the reader has gone, or the terminal cannot show it; nobody is left to tell


def tail(path: Path, since: int = 0, lines: int = 15) -> list[str]:
    """The last lines of a log after the byte `since`, or nothing where it cannot be read."""
    try:
        with open(path, "rb") as log:
            log.seek(0, 2)
            log.seek(max(since, log.tell() - TAIL_BYTES))
            return log.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
