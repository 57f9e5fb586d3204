"""A private PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from . import orphans, ports, privileges, programs
from .child import Child, Spec
from .console import Problem
from .instance import Instance
from .memory import Memory
from .supervisor import Supervisor

SUPERUSER = "postgres"
ROLE = "herald"
READY_SECONDS = 60.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes; a clone's path may have more
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",  # the default of 1 GB means a checkpoint every few seconds under load
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
}


class Postgres:
    """PostgreSQL with its data in `postgres/data` of an instance, on a loopback port, with generated passwords.

    Two roles: `postgres` (superuser) and `herald`, which owns the database `herald`.
    """

    def __init__(self, instance: Instance, supervisor: Supervisor):
        self.instance, self.supervisor = instance, supervisor
        self.home = instance.dir / "postgres"
        self.data = self.home / "data"
        self.child: Optional[Child] = None
        self._privileges: List[str] = []
        self._bin = Path()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.instance.state["ports"]["postgres"])

    def url(self, role: str = ROLE, database: str = ROLE) -> str:
        """A connection URL."""
        return f"postgres://{role}:{self.instance.secret('password_' + role)}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Makes the cluster where there is none and starts the server; `wait` waits for it."""
        self._bin = programs.postgres_bin(self.data)
        self._prepare()
        port = self.instance.port("postgres")
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
        spec = Spec(
            title="PostgreSQL",
            argv=[str(self._bin / "postgres"), "-D", str(self.data), *settings],
            log=self.instance.log("postgres"),
            env=programs.clean_env(self.home, self.instance.marks()),
            cwd=Path("/"),
            privileges=self._privileges,
            stop_signal=signal.SIGINT,  # fast shutdown: TERM would wait for every client
            stop_limit=30.0,
            orphan_signal="QUIT",  # at once, taking its own children along
            before_start=self._clear_stale,
        )
        if self.child is None:
            self.child = self.supervisor.start(spec)
        else:
            self.child.spec = spec
            self.child.start()

    def wait(self) -> None:
        """Waits until it answers and has Herald's role and database."""
        assert self.child is not None, "start comes first"
        self.supervisor.wait_for(self.child, self._answers, READY_SECONDS)
        self._sql(
            f"SELECT 'CREATE ROLE {ROLE} LOGIN PASSWORD ''{self.instance.secret('password_' + ROLE)}'''"
            f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') \\gexec\n"
            f"SELECT 'CREATE DATABASE {ROLE} OWNER {ROLE}'"
            f" WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{ROLE}') \\gexec\n"
        )

    def keep_databases_in(self, memory: Memory) -> None:
        """Databases that are made from now on have their tables there, if there is room: each is a copy of template1."""
        folder = memory.make(self.home.stat())
        if folder:
            self._sql(
                f"CREATE TABLESPACE memory LOCATION '{folder}';\n"
                "ALTER DATABASE template1 SET TABLESPACE memory;\n"
            )

    def port_was_taken(self) -> bool:
        """Whether a start failed because somebody else has taken the port in the meantime."""
        return self.child is not None and self.child.ended is not None and not ports.is_free(self.port)

    def version(self) -> str:
        """The major version of the data."""
        return (self.data / "PG_VERSION").read_text().strip()

    def psql(self, *arguments: str) -> List[str]:
        """A psql command line as superuser; `PGPASSWORD` comes from `psql_env`."""
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER, "-d", SUPERUSER]
        return [str(programs.postgres_bin(self.data) / "psql"), "-X", *connection, *arguments]

    def psql_env(self) -> Dict[str, str]:
        """The environment for `psql`."""
        return {**os.environ, "PGPASSWORD": self.instance.secret("password_" + SUPERUSER), "LC_ALL": "C.UTF-8"}

    def _prepare(self) -> None:
        user = privileges.server_user(self.home)
        self.home.mkdir(mode=0o700, exist_ok=True)
        if user is not None:
            os.chown(self.home, user.pw_uid, user.pw_gid)
        self._privileges = privileges.setpriv_arguments(user, self.home)
        if not self.data.exists():
            self._initdb()

    def _initdb(self) -> None:
        """Into a folder that gets its name at the end: an interrupted run leaves nothing that looks like a cluster."""
        new, password = self.home / "data.new", self.home / "password"
        shutil.rmtree(new, ignore_errors=True)
        password.write_text(self.instance.secret("password_" + SUPERUSER) + "\n")
        password.chmod(0o600)
        owner = self.home.stat()
        os.chown(password, owner.st_uid, owner.st_gid)
        initdb = [str(self._bin / "initdb"), "-D", str(new), "-E", "UTF8", "--locale=C.UTF-8"]
        initdb += ["--auth=scram-sha-256", f"--pwfile={password}", "-U", SUPERUSER]
        log = self.instance.log("initdb")
        with open(log, "wb") as output:
            done = subprocess.run(
                ["setpriv", "--pdeathsig", "KILL", *self._privileges, "--", *initdb],
                cwd="/",
                env=programs.clean_env(self.home, self.instance.marks()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        password.unlink()
        if done.returncode != 0:
            raise Problem("PostgreSQL's initdb failed.", "Is there space on the disk?", log)
        new.rename(self.data)

    def _clear_stale(self) -> None:
        """After a crash: waits for the last of its processes, then removes the pid file, whose number a stranger
        may carry by now. Nobody else can be using the data: we hold the instance's lock."""
        orphans.wait_gone(self.data)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self) -> bool:
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER]
        probe = [str(self._bin / "pg_isready"), "-q", "-t", "1", *connection]
        return subprocess.run(probe, stdin=subprocess.DEVNULL).returncode == 0

    def _sql(self, text: str) -> None:
        done = subprocess.run(
            self.psql("-q", "-v", "ON_ERROR_STOP=1"),
            input=text,
            env=self.psql_env(),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise Problem(
                f"PostgreSQL refused a command: {done.stderr.strip()}", "", self.instance.log("postgres")
            )
