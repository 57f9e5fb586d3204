"""The user's settings: the environment, and below it the clone's `.env`, as Herald's processes read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Optional


class Settings:
    """`get` gives what the user has set, or None."""

    def __init__(self, root: Path):
        self._file = _read(root / ".env")

    def get(self, name: str) -> Optional[str]:
        """A setting; an empty one counts as not set."""
        return os.environ.get(name) or self._file.get(name) or None

    def seconds(self, name: str, default: float) -> float:
        """A number of seconds; nonsense counts as not set here (the process it is meant for complains)."""
        try:
            return float(self.get(name) or default)
        except ValueError:
            return default


def _read(path: Path) -> Dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    values = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            values[name.replace("export ", "", 1).strip()] = value.strip().strip("\"'")
    return values
