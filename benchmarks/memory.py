"""Measure what each further trial costs in memory on a dataset of the size of MOSEI.

    python benchmarks/memory.py                 # makes 4 GB of data; searches of 1, 2, 4 trials
    python benchmarks/memory.py --clips 4000    # less data, to try it

A search is run as a user would, and its processes are looked at while all its trials train. What is
counted is PSS: memory that several processes share is divided among them. Linux only.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlf.data import Sequences, Split, TokenIds, open_split
from dlf.data.manifest import Nonfinite
from dlf.data.mmsa import CleanDataset
from dlf.data.store import write_dataset
from dlf.modalities import Modality, PerModality

PROJECT = Path(__file__).absolute().parents[1]
CLIPS = {"train": 16326, "valid": 1871, "test": 4659}
STEPS = 50
WIDTHS = PerModality(text=768, audio=74, vision=35)
CONCURRENT = (1, 2, 4)
SETTLED_S, LOOK_EVERY_S, DEADLINE_S = 20.0, 1.0, 300.0
MEBIBYTE = 1 << 20
REQUIRED = 500_000_000
"""bytes that a further trial may take"""


class Memory(NamedTuple):
    """The PSS of a search's processes, in bytes."""

    own: int
    """all but the dataset"""
    dataset: int
    """the memory maps of its Arrow files"""
    workers: int
    """processes that hold such a map"""


class Growth(NamedTuple):
    """What every further trial adds to a search's memory, between two numbers of them at once."""

    fewer: int
    more: int
    bytes_per_trial: float

    @property
    def within(self) -> bool:
        """Whether it is as little as is required."""
        return self.bytes_per_trial <= REQUIRED

    def __str__(self) -> str:
        return (
            f"from {self.fewer} to {self.more}, each further trial: "
            f"{self.bytes_per_trial / MEBIBYTE:.0f} MiB ({self.bytes_per_trial / 1e6:.0f} MB), "
            f"{'within' if self.within else 'NOT within'} the {REQUIRED / 1e6:.0f} MB required"
        )


def make_data(folder: Path, train_clips: int) -> None:
    """Store made-up clips, all of them of full length."""
    random = np.random.default_rng(0)
    ratio = train_clips / CLIPS["train"]
    splits = {name: _split(random, name, round(clips * ratio)) for name, clips in CLIPS.items()}
    write_dataset(
        CleanDataset(
            splits=splits,
            widths=WIDTHS,
            time_steps=PerModality(text=STEPS, audio=STEPS, vision=STEPS),
            token_steps=STEPS,
            nonfinite=Nonfinite(audio=0, vision=0),
            text_kind="tokens",
        ),
        dataset="mosei",
        data_dir=folder,
        source="made up",
        source_sha256=None,
    )


def _split(random: np.random.Generator, name: str, clips: int) -> Split:
    lengths = np.full(clips, STEPS)
    starts = np.arange(clips) * STEPS

    def sequences(modality: Modality) -> Sequences:
        block = random.standard_normal((STEPS * 16, WIDTHS[modality]), dtype=np.float32)
        values = np.tile(block, (-(-clips // 16), 1))[: clips * STEPS]
        return Sequences(values, starts, lengths)

    return Split(
        name=name,
        ids=[f"{name}{clip}" for clip in range(clips)],
        raw_text=["made up"] * clips,
        labels=random.uniform(-3, 3, clips).astype(np.float32),
        text=sequences("text"),
        audio=sequences("audio"),
        vision=sequences("vision"),
        token_ids=TokenIds(np.full(clips, 101, np.int32), np.arange(clips), np.ones(clips, int)),
    )


def measure(data_dir: Path, concurrent: int) -> Memory:
    """Run a search with so many trials at once, and look at it while they train."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, PROJECT / "search" / "run.py", "--dataset", "mosei"),
                *("--data-dir", data_dir, "--text", "precomputed", "--json"),
                *("--trials", str(concurrent), "--max-concurrent", str(concurrent)),
                *("--cpus-per-trial", str(min(1.0, (os.cpu_count() or 1) / concurrent))),
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return _when_settled(process, data_dir, concurrent)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=DEADLINE_S)


def _when_settled(search: "subprocess.Popen[bytes]", data_dir: Path, concurrent: int) -> Memory:
    """Return the largest memory seen until some time after the last worker has begun."""
    largest = Memory(0, 0, 0)
    deadline = time.monotonic() + DEADLINE_S
    all_there: float | None = None
    while all_there is None or time.monotonic() - all_there < SETTLED_S:
        if search.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the search ended, or hung, before all of its trials were training")
        time.sleep(LOOK_EVERY_S)
        found = memory_of(search.pid, data_dir)
        if found.workers >= concurrent and all_there is None:
            all_there = time.monotonic()
        if found.workers >= concurrent:
            largest = max(largest, found)
    return largest


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


def growths(found: Mapping[int, Memory]) -> list[Growth]:
    """Return the growth of each step from one number of trials to the next, then of them all."""
    counts = sorted(found)
    spans = [*pairwise(counts), (counts[0], counts[-1])]
    return [
        Growth(fewer, more, (found[more].own - found[fewer].own) / (more - fewer))
        for fewer, more in spans
    ]


def opening_seconds(data_dir: Path) -> float:
    """Return how long train and valid take to open, in a process that has opened them before."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        open_split("mosei", data_dir, "train")
        open_split("mosei", data_dir, "valid")
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)[len(seconds) // 2]


def main() -> None:
    """Print the memory of 1, 2 and 4 concurrent trials, and its growth at every step."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=CLIPS["train"], help="in the train split")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        make_data(data_dir, arguments.clips)
        size = sum(file.stat().st_size for file in data_dir.rglob("*.arrow"))
        opening = opening_seconds(data_dir)
        found = {count: measure(data_dir, count) for count in CONCURRENT}
    *steps, whole = growths(found)
    if arguments.json:
        print(
            json.dumps(
                {
                    "dataset_mib": size / MEBIBYTE,
                    "opening_seconds": opening,
                    "own_mib": {count: memory.own / MEBIBYTE for count, memory in found.items()},
                    "mapped_mib": {
                        count: memory.dataset / MEBIBYTE for count, memory in found.items()
                    },
                    "growth_mib_per_trial": whole.bytes_per_trial / MEBIBYTE,
                    "within": whole.within,
                    "steps": [
                        {
                            "fewer": step.fewer,
                            "more": step.more,
                            "growth_mib_per_trial": step.bytes_per_trial / MEBIBYTE,
                            "within": step.within,
                        }
                        for step in steps
                    ],
                }
            )
        )
        return
    print(f"the dataset has {size / MEBIBYTE:.0f} MiB; train and valid open in {opening:.3f} s")
    for count, memory in found.items():
        print(
            f"{count} at once: {memory.own / MEBIBYTE:6.0f} MiB, and "
            f"{memory.dataset / MEBIBYTE:.0f} MiB of the dataset, once for all"
        )
    print(*steps, whole, sep="\n")


if __name__ == "__main__":
    main()
