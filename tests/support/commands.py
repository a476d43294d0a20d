"""Our command lines, as processes of their own or in this one."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from dlf.command import run_command

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
        timeout=900,
    )
    return Command(done.returncode, done.stdout, done.stderr)


def run_here(main: Callable[[], int], *words: str) -> Command:
    """Run a command of ours in this process, as its own would."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    code: Any = None
    with (
        patch.object(sys, "argv", list(words)),
        patch("dlf.data.store._test_split_sealed", False),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            run_command(main)
        except SystemExit as left:
            code = left.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Command(code, out.getvalue(), err.getvalue())
