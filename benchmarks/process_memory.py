"""How much memory a process and all that came from it hold, as Linux counts it (PSS)."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """The PSS of some processes, in bytes."""

    own: int
    """all but the dataset"""
    dataset: int
    """the memory maps of its files"""
    workers: int
    """processes that hold such a map"""


def memory_of(root: int, data_dir: Path) -> Memory:
    """Add up the memory of a process and all that came from it."""
    own = dataset = workers = 0
    for process in _descendants(root):
        counted = _pss(process, data_dir)
        own += counted[False]
        dataset += counted[True]
        workers += process != root and counted[True] > 0
    return Memory(own, dataset, workers)


def _descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except (FileNotFoundError, ProcessLookupError):
            continue
    family = [root]
    for process in family:
        family += [child for child, parent in parents.items() if parent == process]
    return family


def _pss(process: int, data_dir: Path) -> "Counter[bool]":
    """Return a process's PSS in bytes, of maps of the dataset and of everything else."""
    counted: Counter[bool] = Counter()
    of_data = False
    try:
        lines = (Path("/proc") / str(process) / "smaps").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return counted
    for line in lines:
        name, _, value = line.partition(" ")
        if not name.endswith(":"):
            of_data = str(data_dir) in value
        elif name == "Pss:":
            counted[of_data] += int(value.split()[0]) * 1024
    return counted
