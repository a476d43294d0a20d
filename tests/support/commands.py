"""Our command lines as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Command(NamedTuple):
    """What a command left behind."""

    code: int | str | None
    out: str
    err: str


def run(*words: str | Path, cwd: Path) -> Command:
    """Run a script of the project, with its arguments, in a folder."""
    # Not in the project's folder: nothing may depend on where a command is started.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, ROOT / words[0], *map(str, words[1:])],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    return Command(done.returncode, done.stdout, done.stderr)
