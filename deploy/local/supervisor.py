"""The supervisor: one thread that waits for signals and dead children, starts them again, stops them in order."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import Any, Callable, Iterable, List

from .child import Child, Spec
from .console import Console

TICK_SECONDS = 0.2
SAY_LOG_AFTER = 4


class Stopped(Exception):
    """The user asked to stop (Ctrl-C, SIGTERM, SIGHUP)."""


class Supervisor:
    """Owns the children. Everything happens on the main thread, inside `pump`."""

    def __init__(self, console: Console):
        self.console = console
        self.children: List[Child] = []
        self.watchers: List[Callable[[], None]] = []
        self._asked = 0
        self._stopping = False
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the select
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if name != signal.SIGHUP or signal.getsignal(name) != signal.SIG_IGN:  # nohup stays in force
                signal.signal(name, self._ask)

    def start(self, spec: Spec) -> Child:
        """Starts a child; it is stopped before those that were started earlier."""
        child = Child(spec)
        self.children.append(child)
        child.start()
        return child

    def pump(self, timeout: float = TICK_SECONDS, extra: Iterable[Any] = ()) -> List[Any]:
        """Waits up to `timeout` seconds for something to happen and deals with it. Returns those of `extra` that can
        be read. Raises `Stopped` once the user asked for the end."""
        extra = list(extra)
        readable, _, _ = select.select([self._wake, *extra], [], [], timeout)
        if self._wake in readable:
            os.read(self._wake, 512)
        if self._asked and not self._stopping:
            raise Stopped
        for child in self.children:
            self._look_after(child)
        for watcher in self.watchers:
            watcher()
        return [item for item in extra if item in readable]

    def wait_for(self, child: Child, ready: Callable[[], bool], limit: float) -> None:
        """Waits until a child works. Raises a `Problem` with its log if it ends first or takes longer than `limit`
        seconds."""
        deadline = time.monotonic() + limit
        while not ready():
            if child.ended is not None:
                raise child.problem(f"ended while it was starting: {child.how_it_ended()}.")
            if time.monotonic() > deadline:
                raise child.problem(f"did not become ready within {limit:.0f} s.")
            self.pump(0.05)
        child.ready = True

    def stop(self, child: Child, how: signal.Signals, limit: float) -> None:
        """Stops one child: the given signal, after `limit` seconds SIGKILL. Returns when it is gone."""
        child.keep, child.restart_at = False, None
        child.send(how)
        child.send(signal.SIGCONT)  # a paused process would never see it
        deadline = time.monotonic() + limit
        hard = False
        while child.pid is not None:
            child.check()
            if not hard and (time.monotonic() > deadline or self._asked > 1):
                hard = True
                self.console.warn(f"{child.spec.title} did not stop in time: killed.")
                child.send(signal.SIGKILL)
            select.select([self._wake], [], [], 0.05)
            self._drain()

    def stop_all(self) -> None:
        """Stops every child, the youngest first. A second signal from the user means: at once."""
        self._stopping = True
        for child in reversed(self.children):
            self.stop(child, child.spec.stop_signal, child.stop_limit)

    def _look_after(self, child: Child) -> None:
        title = child.spec.title
        if child.check() and child.keep:
            delay = child.plan_restart()
            self.console.warn(f"{title} ended ({child.how_it_ended()}); it is started again in {delay:g} s.")
            if child.failures == SAY_LOG_AFTER:
                self.console.problem(child.problem("keeps ending.", "It is tried again and again; see above."))
        if child.restart_at is not None and time.monotonic() >= child.restart_at:
            child.start()
            self.console.step(f"{title} was started again (process {child.pid}).")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 512)

    def _ask(self, *_: Any) -> None:
        self._asked += 1
