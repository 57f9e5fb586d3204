"""Herald's own processes, and its administration commands."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

from .child import Child, Spec
from .console import Problem
from .instance import Instance
from .settings import Settings
from .supervisor import Supervisor

LOOPBACK = "127.0.0.0/8,::1/128"
ADMIN_SECONDS = 60.0
READY_SECONDS = 60.0
DRAIN_SECONDS = 20.0
# No proxy of the user's environment has any business with loopback addresses.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Role:
    """One of the processes: its name here, its program, the variable with its address, the port it would like."""

    name: str
    program: str
    variable: str
    port: int


API = Role("api", "herald-api", "HERALD_API_ADDR", 8080)
DISPATCHER = Role("dispatcher", "herald-dispatcher", "HERALD_DISPATCHER_ADDR", 8081)
WORKER = Role("worker", "herald-worker", "HERALD_WORKER_ADDR", 8082)
START_ORDER = (WORKER, DISPATCHER, API)  # they stop the other way round: first nothing new comes in


@dataclass(frozen=True)
class Where:
    """The servers Herald works with; `private`: whether the database is this clone's own."""

    database_url: str
    amqp_url: str
    private: bool


class Processes:
    """The three processes of one clone and where they are reached."""

    def __init__(self, root: Path, instance: Instance, supervisor: Supervisor, programs: Dict[str, Path]):
        self.root, self.instance, self.supervisor, self.programs = root, instance, supervisor, programs
        settings = Settings(root)
        self._drain = settings.seconds("HERALD_DRAIN_SECONDS", DRAIN_SECONDS)
        self._addresses = {role.name: self._address(role, settings) for role in START_ORDER}
        self._allow = settings.get("HERALD_ALLOW_NETS") or LOOPBACK
        self._public_url = settings.get("HERALD_PUBLIC_URL") or self.url(API)

    def url(self, role: Role) -> str:
        """Where a process is reached from this machine."""
        host, _, port = self._addresses[role.name].rpartition(":")
        everywhere = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
        return f"http://{everywhere.get(host, host)}:{port}"

    def admin(self, where: Where, *words: str) -> str:
        """Runs `herald-api WORDS...` to its end and returns what it printed."""
        log = self.instance.log("admin")
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as errors:
            log_from = errors.tell()
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", str(self.programs[API.program]), *words],
                cwd=self.root,
                env=self._env(where),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
        output = self._output(process)
        if process.returncode != 0:
            raise Problem(f"`herald-api {' '.join(words)}` failed.", "", log, log_from)
        return output

    def _output(self, process: subprocess.Popen[str]) -> str:
        """Waits for a command whose output is short, without neglecting the children; kills it if it hangs."""
        deadline = time.monotonic() + ADMIN_SECONDS
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self.supervisor.pump(0.05)
        finally:
            if process.poll() is None:
                process.kill()
            output = process.communicate()[0]
        return output

    def start(self, where: Where) -> List[Child]:
        """Starts all three; `wait` waits for them."""
        env = self._env(where)
        return [
            self.supervisor.start(
                Spec(
                    title=role.name,
                    argv=[str(self.programs[role.program])],
                    log=self.instance.log(role.name),
                    env=env,
                    cwd=self.root,
                    stop_limit=self._drain + 5.0,
                )
            )
            for role in START_ORDER
        ]

    def wait(self, children: List[Child]) -> None:
        """Waits until all three say on /readyz that they can do their work."""
        for role, child in zip(START_ORDER, children):
            self.supervisor.wait_for(child, functools.partial(_is_ready, self.url(role)), READY_SECONDS)

    def _env(self, where: Where) -> Dict[str, str]:
        return {
            **os.environ,
            **self.instance.marks(),
            **{role.variable: self._addresses[role.name] for role in START_ORDER},
            "DATABASE_URL": where.database_url,
            "AMQP_URL": where.amqp_url,
            "HERALD_ALLOW_NETS": self._allow,
            "HERALD_PUBLIC_URL": self._public_url,
        }

    def _address(self, role: Role, settings: Settings) -> str:
        """What the user has set, else a loopback port that is remembered."""
        wanted = settings.get(role.variable)
        if wanted and not wanted.endswith(":0"):
            return wanted
        return f"127.0.0.1:{self.instance.port(role.name, role.port)}"


def start_mailbox(root: Path, instance: Instance, supervisor: Supervisor, port: int) -> Child:
    """Starts the local mailbox."""
    arguments = ["--port", str(port), "--directory", str(instance.dir / "mailbox")]
    return supervisor.start(
        Spec(
            title="mailbox",
            argv=[sys.executable, "-B", str(root / "deploy" / "mailbox.py"), *arguments],
            log=instance.log("mailbox"),
            env={**os.environ, **instance.marks()},
            cwd=root,
            stop_limit=3.0,
        )
    )


def _is_ready(url: str) -> bool:
    try:
        with DIRECT.open(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
