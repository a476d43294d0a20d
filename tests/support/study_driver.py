"""A driver that holds a study in a process of its own, to be refused, ended or killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tests.support.commands import ROOT

DRIVER = """
import subprocess, sys
from pathlib import Path
from search.storage.driver_lock import hold_study
folder, url, name = sys.argv[1:4]
with hold_study(Path(folder), url or None, name):
    if "child" in sys.argv:
        subprocess.Popen(["cat"])
    print("held", flush=True)
    sys.stdin.read()
"""


class Place(NamedTuple):
    """A study that can be held."""

    folder: Path
    url: str | None
    name: str = "mosi"


@contextmanager
def driver(place: Place, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the study; in the end its input is shut, and so is a child's."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(place.folder), place.url or "", place.name, *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert out_of(process).readline() == "held\n"
        yield process


def out_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
