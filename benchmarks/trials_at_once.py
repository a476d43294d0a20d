"""How much is trained by 1, 2, 4 and 8 trials at once on one device, and what each holds of it.

    python -m benchmarks.trials_at_once                          # as many as there are CPUs
    python -m benchmarks.trials_at_once --device cuda            # on one GPU, a share of it each
    python -m benchmarks.trials_at_once --at-once 1 2 --epochs 4 --json

The paper's configuration is trained on made-up clips that are as many, as wide and as long as those
of MOSI, in Ray's workers, with checkpoints. Epochs are counted from the moment when every trial has
ended its first one, until one ends its last: while all of them train. Medians of several rounds.
"""

import os
import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from benchmarks.made_up_data import Lengths, store_made_up
from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.same_trials import SameTrials, train_together
from benchmarks.simulated_driver import Unrecorded
from benchmarks.train_step import SIZES, TOKENS_OF_MOSI
from dlf.data import read_manifest
from dlf.text.source import TextSource
from search.cluster.ray_session import ray_session
from search.resources.allotment import Resources
from search.resources.gpu_share import UNITS
from search.trial.data import TrialData
from tracking.records import TrialFacts

AT_ONCE = (1, 2, 4, 8)
EPOCHS = 4
ROUNDS = 3
"""rounds in which every number is measured in turn, on a machine that may be busy"""
CLIPS = {"train": 1284, "valid": 229, "test": 16}


class Throughput(Record):
    """What some trials came to while all of them trained."""

    at_once: int
    epochs_per_minute: float
    """of all together"""
    clips_per_second: float
    """of the train split, while validating too"""
    megabytes: float
    """that a trial has held at most, in the mean: of its process, or on its GPU by torch"""


class TrialsAtOnce(Measurement):
    """The throughput of every number of trials at once."""

    device: Literal["cpu", "cuda"]
    clips: int
    """of the train split"""
    rounds: int
    throughput: Sequence[Throughput]

    def gain(self, each: Throughput) -> float:
        """Return how many times more is trained than by the fewest at once."""
        return each.clips_per_second / self.throughput[0].clips_per_second

    def lines(self) -> Iterator[str]:
        """Yield the measurements as a table of markdown."""
        against = f"times {self.throughput[0].at_once}"
        yield f"| trials at once | epochs a minute | clips a second | {against} | memory, each |"
        yield "| --- | --- | --- | --- | --- |"
        for each in self.throughput:
            yield (
                f"| {each.at_once} | {each.epochs_per_minute:.1f} | {each.clips_per_second:.0f} | "
                f"{self.gain(each):.2f} | {each.megabytes:.0f} MB |"
            )


class MemoryFacts(Unrecorded):
    """Keeps what every trial has held."""

    def __init__(self) -> None:
        super().__init__()
        self.megabytes: dict[int, float] = {}

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Keep the memory."""
        self.megabytes[number] = facts.peak_memory_mb


def make_data(folder: Path, train_clips: int) -> TrialData:
    """Store made-up clips of the sizes of MOSI."""
    random = np.random.default_rng(0)
    counts = {**CLIPS, "train": train_clips}
    lengths = {name: lengths_of_mosi(random, clips) for name, clips in counts.items()}
    digest = store_made_up(folder, "mosi", SIZES, lengths).digest
    text = TextSource(way="precomputed")
    return TrialData(dataset="mosi", dataset_digest=digest, data_dir=folder, text=text)


def lengths_of_mosi(random: np.random.Generator, clips: int) -> Lengths:
    """Draw the lengths of some clips as they are frequent in MOSI's train split."""
    tokens, frequencies = np.array(list(TOKENS_OF_MOSI.items())).T
    return random.choice(tokens, clips, p=frequencies / frequencies.sum())


def throughput_of(data: TrialData, folder: Path, resources: Resources, epochs: int) -> Throughput:
    """Train so many trials at once."""
    at_once = resources.max_concurrent
    source, memory = SameTrials(at_once, epochs), MemoryFacts()
    train_together(source, memory, data, resources, folder)
    rate = source.epochs_per_second()
    return Throughput(
        at_once=at_once,
        epochs_per_minute=60 * rate,
        clips_per_second=read_manifest(data.dataset, data.data_dir).clips.train * rate,
        megabytes=statistics.fmean(memory.megabytes.values()),
    )


def median(rounds: Sequence[Throughput]) -> Throughput:
    """Return the round of the median throughput, the lower one of two."""
    return sorted(rounds, key=lambda each: each.clips_per_second)[(len(rounds) - 1) // 2]


def resources_of(device: str, at_once: int) -> Resources:
    """Give each trial a CPU, or less where there are not as many, and its share of the GPU."""
    return Resources(
        cpus_per_trial=min(1.0, (os.cpu_count() or 1) / at_once),
        gpus_per_trial=UNITS // at_once / UNITS if device == "cuda" else 0.0,
        max_concurrent=at_once,
    )


def measure(flags: Namespace) -> TrialsAtOnce:
    """Measure every number of trials in turn, in some rounds."""
    with tempfile.TemporaryDirectory() as folder, ray_session("local"):
        data = make_data(Path(folder) / "data", flags.clips)
        rounds = [
            [
                throughput_of(
                    data,
                    Path(folder) / f"round-{number}-{at_once}",
                    resources_of(flags.device, at_once),
                    flags.epochs,
                )
                for at_once in flags.at_once
            ]
            for number in range(flags.rounds)
        ]
    return TrialsAtOnce(
        device=flags.device,
        clips=flags.clips,
        rounds=flags.rounds,
        throughput=[median(of_rounds) for of_rounds in zip(*rounds, strict=True)],
    )


def read_flags() -> Namespace:
    """Read the command line."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--at-once", type=int, nargs="+", metavar="N", help="left out: 1, 2, 4 and 8, as they fit"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of every trial, 3 at least")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--clips", type=int, default=CLIPS["train"], help="in the train split")
    flags = parser.parse_args()
    if flags.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: there is no GPU that torch can use")
    cpus = os.cpu_count() or 1
    fitting = [n for n in AT_ONCE if flags.device == "cuda" or n <= cpus]
    flags.at_once = flags.at_once or fitting
    return flags


def main() -> None:
    """Measure, and print what was found."""
    flags = read_flags()
    tell(lambda: measure(flags), as_json=flags.json)


if __name__ == "__main__":
    main()
