"""`make run`: everything up, in order; then supervision; then everything down, in order."""

from __future__ import annotations

import shlex
import socket
import time
from pathlib import Path
from typing import Dict

from . import build
from .child import Child
from .console import Console, Problem
from .demo import MESSAGE, Demo
from .instance import Instance, write_private
from .processes import API, DISPATCHER, START_ORDER, WORKER, Processes, Where, start_mailbox
from .servers import Servers
from .settings import Settings
from .supervisor import Stopped, Supervisor
from .watch import LogWatch

MAILBOX_SECONDS = 15.0


def run(root: Path, console: Console) -> int:
    """Runs until the user stops it. The exit code."""
    instance = Instance(root / ".herald")
    instance.open(console)
    console.keep(instance.log("run"))
    (instance.dir / "env").unlink(missing_ok=True)  # whoever waits for it waits for this run
    programs = build.release(root, console)
    supervisor = Supervisor(console)
    try:
        _Run(root, console, instance, supervisor).up(programs)
        while True:
            supervisor.pump()
    except Stopped:
        console.say()
        console.step("stopping (Ctrl-C again: at once)")
    except Problem as problem:
        console.problem(problem)
        return 1
    finally:
        instance.stopping()
        supervisor.stop_all()
        console.step("everything is stopped")
    return 0


class _Run:
    """The steps of coming up."""

    def __init__(self, root: Path, console: Console, instance: Instance, supervisor: Supervisor):
        self.root, self.console, self.instance, self.supervisor = root, console, instance, supervisor
        self.settings = Settings(root)
        self.mailbox_port = 0

    def up(self, programs: Dict[str, Path]) -> None:
        """Returns when everything works and the user has been told."""
        begun = time.monotonic()
        where = self._servers()
        self._mailbox()
        processes = Processes(self.root, self.instance, self.supervisor, programs)
        processes.admin(where, "migrate")
        self.console.step("database schema up to date")
        children = processes.start(where)
        processes.wait(children)
        for role, child in zip(START_ORDER, children):
            self._keep(child, role.name)
            self.console.step(f"{role.name} ready on {processes.url(role)}")
        demo = Demo(self.instance, processes, where)
        demo.prepare(self.mailbox_port)
        self._write_env(where, processes, demo)
        self._tell(processes, demo, time.monotonic() - begun)

    def _servers(self) -> Where:
        """The user's servers where they are named, private ones for the rest."""
        database, broker = self.settings.get("DATABASE_URL"), self.settings.get("AMQP_URL")
        servers = Servers(self.instance, self.supervisor, postgres=not database, rabbitmq=not broker)
        for name, given in (("DATABASE_URL", database), ("AMQP_URL", broker)):
            if given:
                self.console.step(f"using the server that {name} names")
        servers.start()
        servers.keep()
        return Where(
            database_url=database or (servers.postgres.url() if servers.postgres else ""),
            amqp_url=broker or (servers.rabbitmq.url() if servers.rabbitmq else ""),
            private=not database,
        )

    def _mailbox(self) -> None:
        self.mailbox_port = self.instance.port("mailbox")
        child = start_mailbox(self.root, self.instance, self.supervisor, self.mailbox_port)
        self.supervisor.wait_for(child, self._mailbox_answers, MAILBOX_SECONDS)
        self._keep(child, "mailbox")

    def _mailbox_answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.mailbox_port), timeout=2) as link:
                return link.recv(3) == b"220"
        except OSError:
            return False

    def _keep(self, child: Child, name: str) -> None:
        child.keep = True
        self.supervisor.watchers.append(LogWatch(name, self.instance.log(name), self.console))

    def _write_env(self, where: Where, processes: Processes, demo: Demo) -> None:
        values = {
            "HERALD_URL": processes.url(API),
            "HERALD_API_KEY": demo.key,
            "HERALD_DISPATCHER_URL": processes.url(DISPATCHER),
            "HERALD_WORKER_URL": processes.url(WORKER),
            "HERALD_MAILBOX": str(self.instance.dir / "mailbox"),
            "HERALD_MAILBOX_SMTP": f"127.0.0.1:{self.mailbox_port}",
            "HERALD_DEMO_WEBHOOK_KEY": demo.webhook_key(),
            "DATABASE_URL": where.database_url,
            "AMQP_URL": where.amqp_url,
        }
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        write_private(self.instance.dir / "env", text)

    def _tell(self, processes: Processes, demo: Demo, seconds: float) -> None:
        url = processes.url(API)
        self.console.say(
            f"""
Herald is ready ({seconds:.0f} s after the build). Send a message:

{demo.curl("/v1/plans", MESSAGE)}

See it arrive (in another terminal):
  make mail                        the files: .herald/mailbox/new
What became of it (the newest message first):
  {demo.curl("/v1/plans?limit=1").replace(chr(10), chr(10) + "  ")}
The API's documentation:  {url}/docs
Addresses and keys:       .herald/env      Logs: .herald/log

Ctrl-C stops everything; `make run` continues with the same data.
"""
        )
