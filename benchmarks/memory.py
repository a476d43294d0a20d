"""Measure what each further trial costs in memory on a dataset of the size of MOSEI.

    python -m benchmarks.memory                 # makes 4 GB of data; searches of 1, 2, 4 trials
    python -m benchmarks.memory --clips 4000    # less data, to try it

A search is run as a user would, and its processes are looked at while all its trials train. What is
counted is PSS: memory that several processes share is divided among them. Linux only.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.environment import clean_environment
from benchmarks.made_up_data import store_made_up
from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.process_memory import Memory, memory_of
from dlf.data import open_split
from dlf.modalities import InputSizes, PerModality

PROJECT = Path(__file__).absolute().parents[1]
CLIPS = {"train": 16326, "valid": 1871, "test": 4659}
STEPS = 50
SIZES = InputSizes(
    widths=PerModality(text=768, audio=74, vision=35),
    time_steps=PerModality(text=STEPS, audio=STEPS, vision=STEPS),
)
CONCURRENT = (1, 2, 4)
SETTLED_S, LOOK_EVERY_S, DEADLINE_S = 20.0, 1.0, 300.0
MEBIBYTE = 1 << 20
REQUIRED_MB = 500.0
"""that a further trial may take, of 10^6 bytes"""


class AtOnce(Record):
    """The memory of a search with some trials at once."""

    trials: int
    own_mib: float
    """beside the dataset"""
    mapped_mib: float
    """of the dataset, mapped once for all"""


class Growth(Record):
    """What every further trial adds to a search's memory, between two numbers of them at once."""

    fewer: int
    more: int
    mb_per_trial: float
    """of 10^6 bytes"""

    @property
    def mib_per_trial(self) -> float:
        """The same in MiB."""
        return self.mb_per_trial * 1e6 / MEBIBYTE

    @property
    def within(self) -> bool:
        """Whether it is as little as is required."""
        return self.mb_per_trial <= REQUIRED_MB

    def __str__(self) -> str:
        return (
            f"from {self.fewer} to {self.more}, each further trial: "
            f"{self.mib_per_trial:.0f} MiB ({self.mb_per_trial:.0f} MB), "
            f"{'within' if self.within else 'NOT within'} the {REQUIRED_MB:.0f} MB required"
        )


class MemoryCost(Measurement):
    """The memory of searches, and how it grows with the trials at once."""

    clips: int
    """of all splits"""
    dataset_mib: float
    opening_seconds: float
    """of train and valid, in a process that has opened them before"""
    required_mb: float = REQUIRED_MB
    at_once: Sequence[AtOnce]
    steps: Sequence[Growth]
    whole: Growth

    def lines(self) -> Iterator[str]:
        """Yield the memory of each search, then the growth at every step."""
        yield (
            f"the dataset has {self.dataset_mib:.0f} MiB; "
            f"train and valid open in {self.opening_seconds:.3f} s"
        )
        for each in self.at_once:
            yield (
                f"{each.trials} at once: {each.own_mib:6.0f} MiB, and "
                f"{each.mapped_mib:.0f} MiB of the dataset, once for all"
            )
        yield from map(str, [*self.steps, self.whole])


def make_data(folder: Path, train_clips: int) -> int:
    """Store made-up clips, all of them of full length; return how many there are."""
    ratio = train_clips / CLIPS["train"]
    counts = {name: round(clips * ratio) for name, clips in CLIPS.items()}
    lengths = {name: np.full(clips, STEPS) for name, clips in counts.items()}
    store_made_up(folder, "mosei", SIZES, lengths)
    return sum(counts.values())


def memory_of_search(data_dir: Path, concurrent: int) -> Memory:
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
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return _when_settled(process, data_dir, concurrent)
        finally:
            with suppress(ProcessLookupError):
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


def growths(own_bytes: Mapping[int, int]) -> list[Growth]:
    """Return the growth of each step from one number of trials to the next, then of them all.

    Args:
        own_bytes: the memory of a search beside its dataset, by its trials at once.
    """
    counts = sorted(own_bytes)
    return [
        Growth(
            fewer=fewer,
            more=more,
            mb_per_trial=(own_bytes[more] - own_bytes[fewer]) / (more - fewer) / 1e6,
        )
        for fewer, more in [*pairwise(counts), (counts[0], counts[-1])]
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


def measure(flags: Namespace) -> MemoryCost:
    """Make the data, and run the searches one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        clips = make_data(data_dir, flags.clips)
        size = sum(file.stat().st_size for file in data_dir.rglob("*.arrow"))
        opening = opening_seconds(data_dir)
        found = {count: memory_of_search(data_dir, count) for count in flags.at_once}
    *steps, whole = growths({count: memory.own for count, memory in found.items()})
    return MemoryCost(
        clips=clips,
        dataset_mib=size / MEBIBYTE,
        opening_seconds=opening,
        at_once=[
            AtOnce(
                trials=count,
                own_mib=memory.own / MEBIBYTE,
                mapped_mib=memory.dataset / MEBIBYTE,
            )
            for count, memory in found.items()
        ],
        steps=steps,
        whole=whole,
        met={f"at most {REQUIRED_MB:.0f} MB for each further trial": whole.within},
    )


def main() -> None:
    """Measure, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--clips", type=int, default=CLIPS["train"], help="in the train split")
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=CONCURRENT, metavar="N", help="two or more counts"
    )
    flags = parser.parse_args()
    if len(set(flags.at_once)) < 2:
        parser.error("--at-once needs two numbers of trials, between which memory grows")
    tell(lambda: measure(flags), as_json=flags.json)


if __name__ == "__main__":
    main()
