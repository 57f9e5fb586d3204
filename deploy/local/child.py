"""One supervised process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional

from .console import Problem

BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
SETTLED_SECONDS = 30.0
EARLY_STOP_SECONDS = 3.0


@dataclass
class Spec:
    """How to start and stop a process.

    - `title`: the name in messages; `log`: takes its output, both streams.
    - `privileges`: arguments for setpriv (another user), if any.
    - `stop_signal`, `stop_limit` (seconds): the polite way, and how long it may take before SIGKILL. (At most
      `EARLY_STOP_SECONDS` before it was ready: the Erlang machine, for one, is deaf to signals while it boots.)
    - `orphan_signal`: what the kernel sends it when the supervisor dies without a word.
    - `before_start`: called before every start (clears what a crash left).
    """

    title: str
    argv: List[str]
    log: Path
    env: Dict[str, str]
    cwd: Path
    privileges: List[str] = field(default_factory=list)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit: float = 10.0
    orphan_signal: str = "KILL"
    before_start: Optional[Callable[[], None]] = None


class Child:
    """A process of a `Spec`: in a session of its own, so that a Ctrl-C at the terminal reaches only the supervisor,
    which stops everything in order; bound to the supervisor by the kernel's parent-death signal.

    `ready`: it has been seen working; `keep`: start it again when it ends.
    """

    def __init__(self, spec: Spec):
        self.spec = spec
        self.ready = self.keep = False
        self.ended: Optional[int] = None
        self.restart_at: Optional[float] = None
        self.failures = 0
        self.log_from = 0
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._started = 0.0

    @property
    def stop_limit(self) -> float:
        """How long it may take to stop, in seconds."""
        return self.spec.stop_limit if self.ready else min(self.spec.stop_limit, EARLY_STOP_SECONDS)

    def problem(self, what: str, todo: str = "") -> Problem:
        """A problem with it, and what it wrote since it was started."""
        return Problem(f"{self.spec.title} {what}", todo, self.spec.log, self.log_from)

    @property
    def pid(self) -> Optional[int]:
        """The process id while it runs."""
        return self._process.pid if self._process and self.ended is None else None

    def start(self) -> None:
        """Starts it. The caller must be the supervisor's main thread: the parent-death signal watches a thread."""
        if self.spec.before_start:
            self.spec.before_start()
        bound = ["setpriv", "--pdeathsig", self.spec.orphan_signal, *self.spec.privileges, "--"]
        with open(os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self.log_from = log.tell()
            self._process = subprocess.Popen(
                bound + self.spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.spec.cwd,
                env=self.spec.env,
                start_new_session=True,
            )
        self.ended = self.restart_at = None
        self._started = time.monotonic()

    def check(self) -> bool:
        """Whether it has ended since the last look."""
        if self._process is None or self.ended is not None:
            return False
        self.ended = self._process.poll()
        if self.ended is not None:
            self._sweep()
        return self.ended is not None

    def plan_restart(self) -> float:
        """Decides when it starts again: soon, and later and later while it keeps failing. The delay in seconds."""
        if time.monotonic() - self._started > SETTLED_SECONDS:
            self.failures = 0
        delay = BACKOFF_SECONDS[min(self.failures, len(BACKOFF_SECONDS) - 1)]
        self.failures += 1
        self.restart_at = time.monotonic() + delay
        return delay

    def send(self, what: signal.Signals) -> None:
        """Sends it a signal; nothing if it has ended."""
        if self._process and self.ended is None:
            self._process.send_signal(what)

    def how_it_ended(self) -> str:
        """For a message: `exit code 1`, `killed by SIGKILL`."""
        code = self.ended or 0
        return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def _sweep(self) -> None:
        """Ends what it left in its session (helpers of the Erlang machine, for instance)."""
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
