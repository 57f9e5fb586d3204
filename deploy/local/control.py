"""The server side of `deploy/servers`: keeps one set of servers up, obeys commands that come over a Unix socket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from . import orphans
from .console import Problem
from .instance import Instance
from .owner import Owner
from .postgres import SUPERUSER, Postgres
from .rabbitmq import RabbitMq
from .servers import Server, Servers, start_and_wait
from .supervisor import Stopped, Supervisor

# Relative to the directory, which is our working directory: a socket's path may have 107 bytes.
SOCKET = "control.sock"
Answer = Dict[str, Any]


class Control:
    """Servers whose state changes only when somebody asks for it: one that dies stays down."""

    def __init__(self, instance: Instance, supervisor: Supervisor, servers: Servers):
        self.instance, self.supervisor, self.servers = instance, supervisor, servers
        self._down = False
        self._verbs: Dict[str, Callable[[Server, List[str]], None]] = {
            "start": self._start,
            "stop": self._stop,
            "kill": lambda server, _: self._end(server, signal.SIGKILL),
            "restart": self._restart,
            "wipe": self._wipe,
            "pause": lambda server, _: self._signal(server, signal.SIGSTOP),
            "resume": lambda server, _: self._signal(server, signal.SIGCONT),
        }

    def serve(self, owner: int, ready: Callable[[Answer], None]) -> None:
        """Calls `ready` once commands are taken, then obeys them until `down`, a signal, or the end of the process
        `owner`."""
        os.chdir(self.instance.dir)
        Path(SOCKET).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, Owner(owner) as owner_process:
            listener.bind(SOCKET)
            os.chmod(SOCKET, 0o600)
            listener.listen(8)
            ready(self.describe())
            try:
                while not self._down and not owner_process.ended():
                    if listener in self.supervisor.pump(extra=[listener, *owner_process.waitables]):
                        self._converse(listener)
            except Stopped:
                pass

    def describe(self) -> Answer:
        """What `up` and `env` print."""
        answer: Answer = {"directory": str(self.instance.dir)}
        if self.servers.postgres:
            answer["database_url"] = self.servers.postgres.url(SUPERUSER, SUPERUSER)
            answer["postgres"] = self._describe(self.servers.postgres, "postgres")
        if self.servers.rabbitmq:
            answer["amqp_url"] = self.servers.rabbitmq.url()
            answer["broker"] = self._describe(self.servers.rabbitmq, "rabbitmq")
        return answer

    def _describe(self, server: Server, log: str) -> Answer:
        pid = server.child.pid if server.child else None
        data = server.home / "data"
        return {"port": server.port, "pid": pid, "data": str(data), "log": str(self.instance.log(log))}

    def _converse(self, listener: socket.socket) -> None:
        link, _ = listener.accept()
        with link, link.makefile("rw", encoding="utf-8") as stream:
            link.settimeout(10)
            try:
                words: List[str] = json.loads(stream.readline())
                answer = self._obey(words)
            except Problem as problem:
                answer = {"error": problem.what, "todo": problem.todo, "log": str(problem.log or "")}
            except (OSError, ValueError) as error:
                answer = {"error": f"not understood: {error}"}
            try:
                stream.write(json.dumps(answer) + "\n")
                stream.flush()
            except OSError:
                pass  # the one who asked has gone

    def _obey(self, words: List[str]) -> Answer:
        if words[0] == "down":
            self._down = True
            self.supervisor.stop_all()
            return {"directory": str(self.instance.dir)}
        if words[0] != "env":
            verb, _, name = words[0].partition("-")
            server = {"broker": self.servers.rabbitmq, "postgres": self.servers.postgres}.get(name)
            if verb not in self._verbs or server is None:
                raise Problem(f"There is no command {words[0]} here.")
            self._verbs[verb](server, words[1:])
        return self.describe()

    def _start(self, server: Server, _: List[str]) -> None:
        if server.child is None or server.child.pid is None:
            start_and_wait(server)

    def _stop(self, server: Server, flags: List[str]) -> None:
        if "--kill" in flags:
            self._end(server, signal.SIGKILL)
        elif "--immediate" in flags and isinstance(server, Postgres):
            self._end(server, signal.SIGQUIT)
        else:
            self._end(server, None)

    def _restart(self, server: Server, flags: List[str]) -> None:
        self._stop(server, flags)
        start_and_wait(server)

    def _wipe(self, server: Server, _: List[str]) -> None:
        if not isinstance(server, RabbitMq):
            raise Problem("Only the broker can be wiped: PostgreSQL is where the truth is.")
        self._end(server, signal.SIGKILL)
        server.wipe()
        start_and_wait(server)

    def _end(self, server: Server, how: Optional[signal.Signals]) -> None:
        child = server.child
        if child is not None and child.pid is not None:
            self.supervisor.stop(child, how or child.spec.stop_signal, child.stop_limit)

    def _signal(self, server: Server, what: signal.Signals) -> None:
        if server.child:
            server.child.send(what)
        if isinstance(server, Postgres):  # its own children do the work
            for pid in orphans.postgres_processes(server.data):
                os.kill(pid, what)


def serve(
    instance: Instance,
    supervisor: Supervisor,
    only: Optional[str],
    owner: int,
    remove: bool,
    ready: Callable[[Answer], None],
) -> None:
    """Starts the servers of an opened instance, calls `ready` with their description, keeps them until the end."""
    servers = Servers(instance, supervisor, postgres=only != "broker", rabbitmq=only != "postgres")
    try:
        servers.start()
        Control(instance, supervisor, servers).serve(owner, ready)
    finally:
        instance.stopping()
        supervisor.stop_all()
        orphans.stop(instance, supervisor.console, "stopping what is left")
        if remove:
            shutil.rmtree(instance.dir, ignore_errors=True)
