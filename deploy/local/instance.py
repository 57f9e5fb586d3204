"""One private directory (`.herald`, `.herald/test`, or that of `deploy/servers up`): its lock, state and mark."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import IO, Any, Callable, Dict, Optional

from . import ports
from .console import Console, Problem

MARK = "HERALD_MARK_"
LOG_LIMIT_BYTES = 20_000_000
STOP_SECONDS = 90.0  # longer than any orderly stop takes
NOTICE_SECONDS = 2.0  # a supervisor whose terminal was just killed needs a moment to notice


class Instance:
    """The directory of one set of servers. Everything they own lies inside; nothing outside refers to it.

    - Lock: `lock`, held by the supervisor for its whole life, so that two of them never share a directory.
    - State: `state.json` (0600): passwords, ports and the broker's node name, on which its data depends.
    - Mark: an environment variable that every process started here carries: it tells orphans from strangers.
    """

    def __init__(self, directory: Path):
        self.dir = Path(os.path.realpath(directory))
        self.state: Dict[str, Any] = {}
        self._lock: Optional[IO[str]] = None

    @property
    def mark(self) -> str:
        """The name of the environment variable carried by every process of this directory."""
        return MARK + hashlib.sha256(os.fsencode(self.dir)).hexdigest()[:16]

    def marks(self) -> Dict[str, str]:
        """This mark and those of the directories on whose behalf this process runs itself."""
        inherited = {name: value for name, value in os.environ.items() if name.startswith(MARK)}
        return {**inherited, self.mark: "1"}

    def log(self, name: str) -> Path:
        """Where a process of this directory writes its log."""
        return self.dir / "log" / f"{name}.log"

    def open(self, console: Console) -> None:
        """Makes the directory where it is missing, takes its lock, reads its state. A supervisor that is just
        stopping is waited for."""
        try:
            (self.dir / "log").mkdir(parents=True, exist_ok=True)
            self._check_owner()
            # Others may pass, not look: when we are root, PostgreSQL runs as another user. Secrets are 0600.
            self.dir.chmod(0o711)
            (self.dir / "log").chmod(0o700)
        except PermissionError as error:
            raise Problem(f"{self.dir} cannot be written: {error.strerror}.", self._owner_advice()) from error
        self._take_lock(console)
        self.load()
        self._rotate_logs()

    def load(self) -> None:
        """Reads the state without taking the lock (for commands that only look)."""
        try:
            self.state = json.loads((self.dir / "state.json").read_text())
        except FileNotFoundError:
            self.state = {}
        except ValueError as error:
            raise Problem(
                f"{self.dir / 'state.json'} is damaged: {error}.",
                "It holds the servers' passwords. Start over with `make clean-data` (removes the data).",
            ) from error

    def save(self) -> None:
        """Writes the state so that a crash leaves the old or the new one."""
        write_private(self.dir / "state.json", json.dumps(self.state, indent=2) + "\n")

    def secret(self, name: str) -> str:
        """A generated password, the same for the life of the data. Letters and digits: fits into any URL."""
        return str(self.remember(name, lambda: secrets.token_hex(16)))

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """The stored value, or the one `make` gives, stored."""
        if name not in self.state:
            self.state[name] = make()
            self.save()
        return self.state[name]

    def port(self, name: str, preferred: Optional[int] = None) -> int:
        """The port of a server: the remembered one while it is free, else the preferred one, else another free one."""
        known: Dict[str, int] = self.state.setdefault("ports", {})
        others = [port for other, port in known.items() if other != name]
        for port in (known.get(name), preferred):
            if port and port not in others and ports.is_free(port):
                break
        else:
            port = ports.choose(others)
        if known.get(name) != port:
            known[name] = port
            self.save()
        return port

    def wipe(self) -> None:
        """Removes the servers' data and the state that belongs to it; logs stay. The servers must be stopped."""
        for name in ("postgres", "rabbitmq"):
            shutil.rmtree(self.dir / name, ignore_errors=True)
        (self.dir / "state.json").unlink(missing_ok=True)
        self.state = {}

    def stopping(self) -> None:
        """Tells whoever asks for the lock that it will be free soon."""
        self._write_lock("stopping")

    def _take_lock(self, console: Console) -> None:
        path = self.dir / "lock"
        lock = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
        begun, told = time.monotonic(), False
        while not _lock(lock):
            pid, _, state = path.read_text().strip().partition(" ")
            stopping, waited = state == "stopping", time.monotonic() - begun
            if waited > (STOP_SECONDS if stopping else NOTICE_SECONDS):
                raise Problem(
                    f"{self.dir} is in use: another run of this clone (process {pid}) is active.",
                    f"Stop it with Ctrl-C in its terminal, or with `kill {pid}`, and try again.",
                )
            if stopping and not told:
                console.step(f"waiting for an earlier run (process {pid}) to stop")
                told = True
            time.sleep(0.1)
        self._lock = lock
        self._write_lock("running")

    def _write_lock(self, state: str) -> None:
        if self._lock:
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(f"{os.getpid()} {state}\n")
            self._lock.flush()

    def _check_owner(self) -> None:
        if self.dir.stat().st_uid != os.geteuid():
            raise Problem(f"{self.dir} belongs to another user.", self._owner_advice())

    def _owner_advice(self) -> str:
        return (
            "Run this as the user who made it. Or start over; this removes all data of this clone:\n"
            f"  sudo rm -rf {self.dir}"
        )

    def _rotate_logs(self) -> None:
        for log in (self.dir / "log").glob("*.log"):
            if log.stat().st_size > LOG_LIMIT_BYTES:
                log.replace(log.with_suffix(".log.1"))


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def write_private(path: Path, text: str) -> None:
    """Replaces a file that only its owner may read, at once or not at all."""
    new = path.with_name(path.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
