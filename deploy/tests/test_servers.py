"""The promises of deploy/servers and deploy/run with-servers, on real servers in temporary folders.

Run by `make test`, or alone: /usr/bin/python3 -B -m unittest discover -s deploy/tests
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, Optional

DEPLOY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(DEPLOY))

from local import amqp, orphans, ports  # noqa: E402
from local.instance import Instance  # noqa: E402

LIMIT_SECONDS = 30.0


def servers(*words: str) -> Dict[str, Any]:
    """What deploy/servers answers."""
    done = subprocess.run(
        [str(DEPLOY / "servers"), *words], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    answer: Dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise AssertionError(f"{words}: {answer}")
    return answer


def sql(directory: str, statement: str) -> str:
    """The answer of one statement."""
    command = [str(DEPLOY / "servers"), "psql", directory, "-Atc", statement]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {LIMIT_SECONDS:.0f} s: {what}")
        time.sleep(0.02)


def nothing_left(directory: str) -> bool:
    """Whether no process of the directory is alive."""
    return not orphans.find(Instance(Path(directory)))


def outside_address() -> Optional[str]:
    """The address under which other machines would reach this one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def supervisor_of(directory: str) -> int:
    """The process that keeps the servers."""
    return int((Path(directory) / "lock").read_text().split()[0])


class Case(unittest.TestCase):
    """A test with a folder whose path is awkward: closed to others, with spaces and Chinese, too long for a socket."""

    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="herald test 三号 ")
        os.chmod(self._folder.name, 0o700)
        self.dir = str(Path(self._folder.name) / ("long" * 25) / "servers")
        self.addCleanup(self._folder.cleanup)
        self.addCleanup(self._stop)

    def _stop(self) -> None:
        if (Path(self.dir) / "control.sock").exists():
            subprocess.run([str(DEPLOY / "servers"), "down", self.dir], stdout=subprocess.DEVNULL)


class Servers(Case):
    """deploy/servers."""

    def test_data_survives_down_and_up_and_nothing_is_left_in_between(self) -> None:
        up = servers("up", self.dir)
        sql(self.dir, "CREATE TABLE kept AS SELECT 42 AS answer")
        servers("down", self.dir)
        self.assertTrue(nothing_left(self.dir))
        again = servers("up", self.dir)
        self.assertEqual(sql(self.dir, "SELECT answer FROM kept"), "42")
        self.assertEqual((again["database_url"], again["amqp_url"]), (up["database_url"], up["amqp_url"]))
        self.assertEqual(sql(self.dir, "SHOW server_encoding"), "UTF8")

    def test_everything_listens_on_loopback_only(self) -> None:
        servers("up", self.dir)
        known = json.loads((Path(self.dir) / "state.json").read_text())["ports"].values()
        outside = outside_address()
        if outside is None:
            self.skipTest("this machine has no address but loopback")
        for port in known:
            with self.assertRaises(OSError, msg=f"port {port} on {outside}"):
                socket.create_connection((outside, port), timeout=2).close()

    def test_a_killed_supervisor_takes_its_servers_along_and_the_next_one_continues(self) -> None:
        servers("up", self.dir)
        sql(self.dir, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(supervisor_of(self.dir), signal.SIGKILL)
        eventually(lambda: nothing_left(self.dir), "the servers end with their supervisor")
        servers("up", self.dir)
        self.assertEqual(sql(self.dir, "SELECT answer FROM kept"), "42")

    def test_servers_end_with_the_process_that_wanted_them(self) -> None:
        owner = subprocess.Popen(["sleep", "600"])
        servers("up", self.dir, "--owner", str(owner.pid), "--remove", "--only", "postgres")
        owner.kill()
        owner.wait()
        eventually(lambda: nothing_left(self.dir), "the servers end with their owner")
        eventually(lambda: not Path(self.dir).exists(), "--remove removes the folder")

    def test_orphans_are_stopped_and_strangers_are_not(self) -> None:
        instance = Instance(Path(self.dir))
        orphan = subprocess.Popen(["sleep", "600"], env={instance.mark: "1"})
        stranger = subprocess.Popen(["sleep", "600"], env={instance.mark[:-1]: "1"})
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        servers("up", self.dir, "--only", "postgres")
        self.assertEqual(orphan.wait(LIMIT_SECONDS), -signal.SIGTERM)
        self.assertIsNone(stranger.poll())

    def test_a_pid_file_that_names_a_stranger_is_no_hindrance(self) -> None:
        servers("up", self.dir, "--only", "postgres")
        servers("kill-postgres", self.dir)
        pid_file = Path(self.dir) / "postgres" / "data" / "postmaster.pid"
        pid_file.write_text(f"{os.getpid()}\n" + pid_file.read_text().partition("\n")[2])
        servers("start-postgres", self.dir)
        self.assertEqual(sql(self.dir, "SELECT 1"), "1")

    def test_a_port_that_somebody_has_taken_meanwhile_is_replaced(self) -> None:
        before = servers("up", self.dir)
        servers("down", self.dir)
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", before["broker"]["port"]))
            thief.listen(1)
            after = servers("up", self.dir)
        self.assertNotEqual(after["broker"]["port"], before["broker"]["port"])
        self.assertEqual(after["postgres"]["port"], before["postgres"]["port"])

    def test_the_broker_can_be_stopped_killed_wiped_and_paused(self) -> None:
        up = servers("up", self.dir, "--only", "broker")
        password = up["amqp_url"].split(":")[2].split("@")[0]

        def works() -> bool:
            return amqp.can_log_in(up["broker"]["port"], "herald", password)

        self.assertTrue(works())
        self.assertIsNone(servers("stop-broker", self.dir)["broker"]["pid"])
        self.assertTrue(ports.is_free(up["broker"]["port"]))
        for verb in ("start-broker", "restart-broker", "wipe-broker"):
            servers(verb, self.dir)
            self.assertTrue(works(), verb)
        servers("kill-broker", self.dir)
        self.assertFalse(works())
        servers("start-broker", self.dir)
        servers("pause-broker", self.dir)
        self.assertFalse(works())
        servers("resume-broker", self.dir)
        eventually(works, "a resumed broker answers")


class WithServers(unittest.TestCase):
    """deploy/run with-servers, on a copy of the deploy folder: its instance lies in the clone."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="herald-clone-")
        self.addCleanup(folder.cleanup)
        self.clone = Path(folder.name)
        shutil.copytree(DEPLOY, self.clone / "deploy")

    def test_the_command_gets_servers_and_its_exit_code_comes_back_and_nothing_is_left(self) -> None:
        script = (
            'psql -Atc "SELECT 40 + 2" "$HERALD_TEST_DATABASE_URL"; echo "$HERALD_FOREIGN$DATABASE_URL"; '
            "sleep 600 & exit 7"
        )
        done = subprocess.run(
            [
                sys.executable,
                "-B",
                str(self.clone / "deploy" / "supervise"),
                "with-servers",
                "sh",
                "-c",
                script,
            ],
            env={**os.environ, "HERALD_FOREIGN": "foreign", "DATABASE_URL": "foreign"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.assertEqual(done.returncode, 7)
        self.assertIn("\n42\n\n", done.stdout)
        self.assertTrue(nothing_left(str(self.clone / ".herald" / "test")))


if __name__ == "__main__":
    unittest.main()
