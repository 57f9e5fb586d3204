"""PostgreSQL and RabbitMQ of one instance, started side by side."""

from __future__ import annotations

import time
from typing import List, Optional, Union

from . import orphans
from .console import Problem
from .instance import Instance
from .postgres import Postgres
from .rabbitmq import RabbitMq
from .supervisor import Supervisor

PORT_TRIES = 3
Server = Union[Postgres, RabbitMq]


class Servers:
    """The private servers of an instance; either may be left out."""

    def __init__(
        self, instance: Instance, supervisor: Supervisor, postgres: bool = True, rabbitmq: bool = True
    ):
        self.instance, self.supervisor = instance, supervisor
        self.postgres: Optional[Postgres] = Postgres(instance, supervisor) if postgres else None
        self.rabbitmq: Optional[RabbitMq] = RabbitMq(instance, supervisor) if rabbitmq else None

    def start(self) -> None:
        """Ends what an earlier run left behind, starts the servers and waits until both can be used."""
        orphans.stop(self.instance, self.supervisor.console, "stopping what an earlier run left behind")
        begun = time.monotonic()
        servers: List[Server] = [server for server in (self.postgres, self.rabbitmq) if server]
        for server in servers:  # they take their seconds at the same time
            server.start()
        for server in servers:
            _wait(server)
            self.supervisor.console.step(f"{_describe(server)} ready ({time.monotonic() - begun:.1f} s)")

    def keep(self) -> None:
        """From now on a server that dies is started again."""
        for server in (self.postgres, self.rabbitmq):
            if server and server.child:
                server.child.keep = True
        if self.rabbitmq and self.rabbitmq.epmd:
            self.rabbitmq.epmd.keep = True


def start_and_wait(server: Server) -> None:
    """Starts one server and waits for it."""
    server.start()
    _wait(server)


def _wait(server: Server) -> None:
    """Waits; where somebody has taken the port between the choice and the start, chooses another and tries again."""
    for attempt in range(PORT_TRIES):
        try:
            return server.wait()
        except Problem:
            if attempt == PORT_TRIES - 1 or not server.port_was_taken():
                raise
            server.start()


def _describe(server: Server) -> str:
    version = f" {server.version()}" if isinstance(server, Postgres) else ""
    title = server.child.spec.title if server.child else ""
    return f"{title}{version} on 127.0.0.1:{server.port}"
