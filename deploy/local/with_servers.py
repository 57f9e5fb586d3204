"""Runs a command (the tests) with a fresh pair of private servers, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Dict, List

from . import orphans
from .console import Console
from .instance import Instance, write_private
from .memory import Memory
from .postgres import SUPERUSER
from .servers import Servers
from .supervisor import Stopped, Supervisor

INTERRUPTED = 130
END_SECONDS = 10.0


def run(root: Path, console: Console, command: List[str]) -> int:
    """The exit code of `command`, which finds the servers in `HERALD_TEST_*` and sees no other setting of Herald's."""
    instance = Instance(root / ".herald" / "test")
    instance.open(console)
    supervisor = Supervisor(console)
    servers = Servers(instance, supervisor)
    memory = Memory(instance)
    code = INTERRUPTED
    try:
        orphans.stop(instance, console, "stopping what an earlier run left behind")
        instance.wipe()
        for log in (instance.dir / "log").glob("*.log"):
            log.unlink()
        servers.start()
        servers.keep()
        if servers.postgres:
            servers.postgres.keep_databases_in(memory)
        code = _run(supervisor, command, _environment(root, instance, servers))
    except Stopped:
        console.step("interrupted")
    finally:
        instance.stopping()
        supervisor.stop_all()
        orphans.stop(instance, console, "stopping what the command left running")
        instance.wipe()
        memory.remove()
    if code != 0:
        console.step(f"the servers' logs of this run: {instance.dir / 'log'}")
    return code


def _environment(root: Path, instance: Instance, servers: Servers) -> Dict[str, str]:
    assert servers.postgres and servers.rabbitmq, "both were asked for"
    described = {
        "cli": str(root / "deploy" / "servers"),
        "directory": str(instance.dir),
        "database_url": servers.postgres.url(SUPERUSER, SUPERUSER),
        "amqp_url": servers.rabbitmq.url(),
    }
    file = instance.dir / "servers.json"
    write_private(file, json.dumps(described, indent=2) + "\n")
    foreign = ("HERALD_", "DATABASE_URL", "AMQP_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **kept,
        **instance.marks(),
        "HERALD_TEST_DATABASE_URL": described["database_url"],
        "HERALD_TEST_AMQP_URL": described["amqp_url"],
        "HERALD_TEST_SERVERS": str(file),
    }


def _run(supervisor: Supervisor, command: List[str], env: Dict[str, str]) -> int:
    """In the foreground: same terminal, same process group, so that Ctrl-C reaches it as usual."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], env=env)
    try:
        while process.poll() is None:
            supervisor.pump()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode
