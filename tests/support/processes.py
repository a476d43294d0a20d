"""The processes that a process has started, as Linux lists them."""

from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process that was there a moment ago."""

    pid: int
    parent: int
    group: int
    state: str
    words: list[str]


def child_named(parent: int, name: str) -> int:
    """Return the child of a process whose program has this name."""
    (child,) = [p for p in processes() if p.parent == parent and Path(p.words[0]).name == name]
    return child.pid


def living_in_group(group: int) -> list[Process]:
    """Return the processes of a group that have not ended."""
    return [process for process in processes() if process.group == group and process.state != "Z"]


def processes() -> list[Process]:
    """Return all processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        state, parent, group = stat.rpartition(")")[2].split()[:3]
        found.append(Process(int(folder.name), int(parent), int(group), state, words))
    return found
