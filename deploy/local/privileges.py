"""PostgreSQL refuses to run as root: which user it gets instead, and how that user reaches its data directory."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import List, Optional

from .console import Problem

USERS = ("postgres", "nobody")
# Nothing, where the way is open. Else a capability to walk through closed folders (a clone under /root, mode 700);
# containers often withhold the first one and grant the second.
WAYS: List[List[str]] = [
    [],
    ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"],
    ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"],
]


def server_user(directory: Path) -> Optional[pwd.struct_passwd]:
    """Who PostgreSQL runs as when we are root: the owner of an existing directory, else `postgres`. None: ourselves."""
    if os.geteuid() != 0:
        return None
    if directory.exists() and directory.stat().st_uid != 0:
        return pwd.getpwuid(directory.stat().st_uid)
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Problem("PostgreSQL cannot run as root, and there is no other user.", "Run this as an ordinary user.")


def setpriv_arguments(user: Optional[pwd.struct_passwd], directory: Path) -> List[str]:
    """The setpriv arguments that make a process `user` and let it reach `directory` (its own, mode 700)."""
    if user is None:
        return []
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    for way in WAYS:
        # A real access: `test -w` asks with access(2), which leaves capabilities out of account.
        probe = ["setpriv", *identity, *way, "--", "/bin/ls", str(directory)]
        if subprocess.run(probe, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return identity + way
    raise Problem(
        f"The user {user.pw_name} cannot reach {directory}, and this environment does not let root change that.",
        "Move the clone to a folder that others may enter (chmod o+x), or run this as an ordinary user.",
    )
