"""Room in memory for the databases of tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Optional

from .instance import Instance

SHARED = Path("/dev/shm")
ROOM_BYTES = 8 << 30  # some tests have a million people, three systems run at once, and the rest of the machine goes on


class Memory:
    """A folder of an instance in memory, where there is plenty: each test makes and removes a database of five hundred
    files, and creating them on ext4, which looks past the inodes just deleted, was a tenth of all CPU time of the tests.
    The log, and with it every commit, stays on the disk.
    """

    def __init__(self, instance: Instance):
        self.folder = SHARED / instance.mark.lower()

    def make(self, owner: os.stat_result) -> Optional[Path]:
        """The folder, empty and the owner's; none where memory is scarce."""
        self.remove()
        if not _plenty():
            return None
        self.folder.mkdir(mode=0o700)
        os.chown(self.folder, owner.st_uid, owner.st_gid)
        return self.folder

    def remove(self) -> None:
        """Gives the memory back; the server must be stopped."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _plenty() -> bool:
    try:
        shared = os.statvfs(SHARED)
        known = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(known["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return False
    return os.access(SHARED, os.W_OK) and min(shared.f_bavail * shared.f_frsize, available) >= ROOM_BYTES
