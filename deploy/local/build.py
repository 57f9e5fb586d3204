"""Builds Herald's programs with cargo, whose progress and complaints go straight to the terminal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Dict

from .console import Console, Problem

PROGRAMS = ("herald-api", "herald-dispatcher", "herald-worker")


def release(root: Path, console: Console) -> Dict[str, Path]:
    """Builds the programs in the release profile; where each of them is."""
    console.step("building (the first time takes some minutes)")
    packages = [word for program in PROGRAMS for word in ("-p", program)]
    command = ["cargo", "build", "--release", "--bins", *packages, "--message-format=json-render-diagnostics"]
    built: Dict[str, Path] = {}
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", *command],
        cwd=root,
        env={**os.environ, **_commit(root)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as cargo:
        assert cargo.stdout is not None, "it is a pipe"
        for line in cargo.stdout:
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact" and message.get("executable"):
                built[message["target"]["name"]] = Path(message["executable"])
    missing = [program for program in PROGRAMS if program not in built]
    if cargo.returncode != 0 or missing:
        raise Problem("The build failed.", "Cargo says why above; `make build` repeats it.")
    return built


def _commit(root: Path) -> Dict[str, str]:
    """The commit, for the `build_info` metric; nothing where this is not a git clone."""
    try:
        asked = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
        done = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return {}
    return {"HERALD_COMMIT": done.stdout.strip()} if done.returncode == 0 else {}
