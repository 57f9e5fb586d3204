"""Where the servers' programs are. The clean environment they run in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, List, Optional

from .console import Problem

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL = '`make packages` installs what is missing; run it as root, or see deploy/README.md, "Packages".'


def postgres_bin(data: Path) -> Path:
    """The folder of initdb and postgres: the newest one installed, or the one of the major version that made `data`."""
    folders = _postgres_folders()
    try:
        wanted: Optional[str] = (data / "PG_VERSION").read_text().strip()
    except OSError:
        wanted = None
    if wanted:
        folders = [folder for folder in folders if _major(folder) in (wanted, None)]
        missing = f"The data in {data} was made by PostgreSQL {wanted}, which is not installed."
        todo = f"Install postgresql-{wanted}, or start over with `make clean-data` (removes the data)."
    else:
        missing, todo = "PostgreSQL's programs (initdb, postgres) are not installed.", INSTALL
    if not folders:
        raise Problem(missing, todo)
    return folders[0]


def rabbitmq_program(name: str) -> Path:
    """A RabbitMQ script itself: the wrapper in /usr/sbin would change the user and the folder."""
    folders = [
        Path("/usr/lib/rabbitmq/bin"),
        *sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin"), reverse=True),
    ]
    found = shutil.which(name, path=os.pathsep.join(map(str, folders)) + os.pathsep + _search_path())
    if not found:
        raise Problem(f"RabbitMQ's program {name} is not installed.", INSTALL)
    return Path(found)


def epmd_program() -> Path:
    """Erlang's port mapper, which the broker's node registers with."""
    folders = sorted(Path("/usr/lib/erlang").glob("erts-*/bin"), reverse=True)
    found = shutil.which("epmd", path=_search_path() + os.pathsep + os.pathsep.join(map(str, folders)))
    if not found:
        raise Problem("Erlang's program epmd is not installed.", INSTALL)
    return Path(found)


def clean_env(home: Path, marks: Dict[str, str]) -> Dict[str, str]:
    """What a server sees: nothing of the user's settings, which might point it at another server's files."""
    return {"PATH": _search_path(), "HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **marks}


def _search_path() -> str:
    return SYSTEM_PATH + os.pathsep + os.environ.get("PATH", "")


def _postgres_folders() -> List[Path]:
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    versions.sort(key=lambda folder: int(_major(folder) or 0), reverse=True)
    elsewhere = shutil.which("postgres", path=_search_path())
    if elsewhere:
        versions.append(Path(os.path.realpath(elsewhere)).parent)
    return [folder for folder in versions if (folder / "initdb").exists()]


def _major(folder: Path) -> Optional[str]:
    """15 for /usr/lib/postgresql/15/bin; None where the path does not tell."""
    name = folder.parent.name
    return name if name.isdigit() and folder.parent.parent.name == "postgresql" else None
