"""A private RabbitMQ and the Erlang port mapper (epmd) it needs."""

from __future__ import annotations

import secrets
import shutil
import socket
import struct
from typing import Dict, Optional

from . import amqp, ports, programs
from .child import Child, Spec
from .instance import Instance, write_private
from .supervisor import Supervisor

USER = "herald"
READY_SECONDS = 60.0
CONFIGURATION = """\
# Written at every start by deploy/local/rabbitmq.py.
listeners.tcp.default = 127.0.0.1:{port}
default_vhost = /
default_user = {user}
default_pass = {password}
# Below this much free space on the disk publishers are blocked.
disk_free_limit.absolute = 256MB
# Suggested to clients: a dead peer is noticed within 20 s, not within two minutes.
heartbeat = 10
"""


class RabbitMq:
    """RabbitMQ with its data in `rabbitmq/data` of an instance: own node name, own cookie, own epmd, three loopback
    ports (AMQP, Erlang distribution, epmd). Its user is made from the configuration at the first boot."""

    def __init__(self, instance: Instance, supervisor: Supervisor):
        self.instance, self.supervisor = instance, supervisor
        self.home = instance.dir / "rabbitmq"
        self.child: Optional[Child] = None
        self.epmd: Optional[Child] = None

    @property
    def port(self) -> int:
        """The port it takes AMQP on."""
        return int(self.instance.state["ports"]["amqp"])

    def url(self) -> str:
        """A connection URL, for the vhost `/`."""
        return f"amqp://{USER}:{self.instance.secret('password_amqp')}@127.0.0.1:{self.port}/%2f"

    def start(self) -> None:
        """Starts epmd where it is not running, and the broker; `wait` waits for it."""
        for folder in (self.home, self.home / "data", self.home / "conf.d"):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._write_cookie()
        self._start_epmd()
        self.supervisor.wait_for(self._epmd_child(), self._epmd_answers, 10.0)
        self.instance.port("distribution")
        self._write_files(self.instance.port("amqp"))
        spec = Spec(
            title="RabbitMQ",
            argv=[str(programs.rabbitmq_program("rabbitmq-server"))],
            log=self.instance.log("rabbitmq"),
            env=self.env(),
            cwd=self.home,
            stop_limit=30.0,
        )
        if self.child is None:
            self.child = self.supervisor.start(spec)
        else:
            self.child.spec = spec
            self.child.start()

    def wait(self) -> None:
        """Waits until a client can log in."""
        assert self.child is not None, "start comes first"
        self.supervisor.wait_for(self.child, self._answers, READY_SECONDS)

    def port_was_taken(self) -> bool:
        """Whether a start failed because somebody else has taken one of its ports in the meantime."""
        known = self.instance.state["ports"]
        gone = self.child is not None and self.child.ended is not None
        return gone and not all(ports.is_free(known[name]) for name in ("amqp", "distribution"))

    def wipe(self) -> None:
        """Removes all it knows, like a broker whose disk was lost. It must be stopped."""
        shutil.rmtree(self.home / "data", ignore_errors=True)

    def env(self) -> Dict[str, str]:
        """The environment of the broker and of its tools (rabbitmqctl)."""
        known = self.instance.state["ports"]
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            **programs.clean_env(self.home, self.instance.marks()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(known["epmd"]),
            "RABBITMQ_NODENAME": self._node(),
            "RABBITMQ_DIST_PORT": str(known["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
            "RABBITMQ_CTL_ERL_ARGS": loopback,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.home / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.home / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_MNESIA_DIR": str(self.home / "data" / "node"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(self.home / "data" / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.home / "data" / "config"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_LOG_BASE": str(self.home / "data" / "log"),
            "RABBITMQ_LOGS": "-",
            # The start script then becomes the Erlang machine instead of waiting for it as a child, so that signals,
            # and the one for the supervisor's death, reach the broker itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _start_epmd(self) -> None:
        """Supervised and in the foreground: the one that Erlang would start by itself outlives the broker."""
        if self.epmd is not None and self.epmd.pid is not None:
            return
        port = self.instance.port("epmd")
        spec = Spec(
            title="epmd",
            argv=[str(programs.epmd_program()), "-address", "127.0.0.1", "-port", str(port)],
            log=self.instance.log("epmd"),
            env=programs.clean_env(self.home, self.instance.marks()),
            cwd=self.home,
            stop_limit=3.0,
        )
        if self.epmd is None:
            self.epmd = self.supervisor.start(spec)
        else:
            self.epmd.spec = spec
            self.epmd.start()

    def _epmd_child(self) -> Child:
        assert self.epmd is not None, "start made it"
        return self.epmd

    def _epmd_answers(self) -> bool:
        try:
            with socket.create_connection(
                ("127.0.0.1", self.instance.state["ports"]["epmd"]), timeout=2
            ) as link:
                link.settimeout(2)
                link.sendall(struct.pack("!H", 1) + b"n")  # NAMES_REQ
                return len(link.recv(4)) == 4
        except OSError:
            return False

    def _answers(self) -> bool:
        return amqp.can_log_in(self.port, USER, self.instance.secret("password_amqp"))

    def _node(self) -> str:
        """The node's name. The data belongs to it, so it is made once."""
        return str(self.instance.remember("node", lambda: f"herald-{secrets.token_hex(4)}@localhost"))

    def _write_cookie(self) -> None:
        cookie = self.home / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, secrets.token_hex(20))
            cookie.chmod(0o400)

    def _write_files(self, port: int) -> None:
        password = self.instance.secret("password_amqp")
        write_private(
            self.home / "rabbitmq.conf", CONFIGURATION.format(port=port, user=USER, password=password)
        )
        write_private(self.home / "enabled_plugins", "[].\n")
