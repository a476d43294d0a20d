"""How much is trained by 1, 2, 4 and 8 trials at once on one device, and what each holds of it.

    python benchmarks/trials_at_once.py                          # as many as there are CPUs
    python benchmarks/trials_at_once.py --device cuda            # on one GPU, a share of it each
    python benchmarks/trials_at_once.py --at-once 1 2 --epochs 4 --json

The paper's configuration is trained on made-up clips that are as many, as wide and as long as those
of MOSI, in Ray's workers, with checkpoints. Epochs are counted from the moment when every trial has
ended its first one, until one ends its last: while all of them train. Medians of several rounds.
"""

import json
import os
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from simulated_driver import Unrecorded
from train_step import SIZES, TOKENS_OF_MOSI

from dlf.data import Sequences, Split, TokenIds, read_manifest
from dlf.data.manifest import Nonfinite
from dlf.data.mmsa import CleanDataset
from dlf.data.store import write_dataset
from dlf.modalities import Modality
from dlf.presets import preset
from dlf.text.source import TextSource
from dlf.training.training import EpochRecord
from search.cluster.ray_session import ray_session
from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import Workplace
from search.resources.allotment import Resources
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from search.trial.plan import TrialPlan, TrialSource
from tracking.records import Outcome, TrialFacts, TrialState

AT_ONCE = (1, 2, 4, 8)
EPOCHS = 4
ROUNDS = 3
"""rounds in which every number is measured in turn, on a machine that may be busy"""
CLIPS = {"train": 1284, "valid": 229, "test": 16}
RAY_UNITS = 10_000
"""the parts in which Ray counts a GPU"""


class Throughput(NamedTuple):
    """What some trials came to while all of them trained."""

    at_once: int
    epochs_per_minute: float
    """of all together"""
    clips_per_second: float
    """of the train split, while validating too"""
    megabytes: float
    """that a trial has held at most, in the mean: of its process, or on its GPU by torch"""


class SameTrials(TrialSource):
    """Hands out the paper's configuration again and again, and notes when its epochs end."""

    def __init__(self, count: int, epochs: int) -> None:
        config = preset("paper", "mosi").with_values({"patience": epochs})
        self.ended: dict[int, list[float]] = {}
        self._epochs = epochs
        self._left = [
            TrialPlan(
                number=number,
                name=f"trial {number}",
                params={},
                config=config,
                seeds=[number],
                max_epochs=epochs,
            )
            for number in range(count)
        ]

    def next_trial(self) -> TrialPlan | None:
        """Return the next trial."""
        return self._left.pop(0) if self._left else None

    def report(self, number: int, record: EpochRecord) -> None:
        """Note the time."""
        self.ended.setdefault(number, []).append(time.monotonic())

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Refuse what was not trained to its end."""
        if outcome.state is not TrialState.COMPLETE:
            raise RuntimeError(f"trial {number} has failed: {outcome.reason}")
        return {number: outcome}

    def note(self, number: int, text: str) -> None:
        """Keep nothing."""

    def epochs_per_second(self) -> float:
        """Return the epochs of all trials together, while all of them trained."""
        begin = max(times[0] for times in self.ended.values())
        end = min(times[-1] for times in self.ended.values())
        if begin >= end:
            raise RuntimeError("the trials were not under way together; give more --epochs")
        counted = sum(begin < at <= end for times in self.ended.values() for at in times)
        return counted / (end - begin)


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
    write_dataset(
        CleanDataset(
            splits={name: _split(random, name, clips) for name, clips in counts.items()},
            widths=SIZES.widths,
            time_steps=SIZES.time_steps,
            token_steps=SIZES.time_steps.text,
            nonfinite=Nonfinite(audio=0, vision=0),
            text_kind="tokens",
        ),
        dataset="mosi",
        data_dir=folder,
        source="made up",
        source_sha256=None,
    )
    digest = read_manifest("mosi", folder).digest
    text = TextSource(way="precomputed")
    return TrialData(dataset="mosi", dataset_digest=digest, data_dir=folder, text=text)


def _split(random: np.random.Generator, name: str, clips: int) -> Split:
    tokens, frequencies = np.array(list(TOKENS_OF_MOSI.items())).T
    lengths = random.choice(tokens, clips, p=frequencies / frequencies.sum())
    starts = np.cumsum(lengths) - lengths

    def sequences(modality: Modality) -> Sequences:
        shape = (int(lengths.sum()), SIZES.widths[modality])
        return Sequences(random.standard_normal(shape, np.float32), starts, lengths)

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


def measure(data: TrialData, folder: Path, resources: Resources, epochs: int) -> Throughput:
    """Train so many trials at once."""
    at_once = resources.max_concurrent
    source, memory = SameTrials(at_once, epochs), MemoryFacts()
    checkpoints = Checkpoints(folder=folder / "checkpoints")
    workplace = Workplace(data=data, resources=resources, checkpoints=checkpoints)
    run_trials(TrialLedger(source, memory), workplace, folder)
    rate = source.epochs_per_second()
    clips = read_manifest(data.dataset, data.data_dir).clips.train
    return Throughput(at_once, 60 * rate, clips * rate, statistics.fmean(memory.megabytes.values()))


def median(rounds: Sequence[Throughput]) -> Throughput:
    """Return the round of the median throughput, the lower one of two."""
    return sorted(rounds, key=lambda each: each.clips_per_second)[(len(rounds) - 1) // 2]


def resources_of(device: str, at_once: int) -> Resources:
    """Give each trial a CPU, or less where there are not as many, and its share of the GPU."""
    return Resources(
        cpus_per_trial=min(1.0, (os.cpu_count() or 1) / at_once),
        gpus_per_trial=RAY_UNITS // at_once / RAY_UNITS if device == "cuda" else 0.0,
        max_concurrent=at_once,
    )


def table(found: Sequence[Throughput]) -> str:
    """Return the measurements as a table of markdown."""
    alone = found[0]
    rows = [
        f"| {each.at_once} | {each.epochs_per_minute:.1f} | {each.clips_per_second:.0f} | "
        f"{each.clips_per_second / alone.clips_per_second:.2f} | {each.megabytes:.0f} MB |"
        for each in found
    ]
    against = f"times {alone.at_once}"
    return "\n".join(
        [
            f"| trials at once | epochs a minute | clips a second | {against} | memory, each |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def read_flags() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--at-once", type=int, nargs="+", metavar="N", help="left out: 1, 2, 4 and 8, as they fit"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of every trial, 3 at least")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--clips", type=int, default=CLIPS["train"], help="in the train split")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    flags = parser.parse_args()
    if flags.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: there is no GPU that torch can use")
    cpus = os.cpu_count() or 1
    fitting = [n for n in AT_ONCE if flags.device == "cuda" or n <= cpus]
    flags.at_once = flags.at_once or fitting
    return flags


def main() -> None:
    """Print the throughput of every number of trials at once."""
    flags = read_flags()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, ray_session("local"):
        data = make_data(Path(folder) / "data", flags.clips)
        rounds = [
            [
                measure(
                    data,
                    Path(folder) / f"round-{number}-{at_once}",
                    resources_of(flags.device, at_once),
                    flags.epochs,
                )
                for at_once in flags.at_once
            ]
            for number in range(flags.rounds)
        ]
    found = [median(of_rounds) for of_rounds in zip(*rounds, strict=True)]
    if flags.json:
        rows = [each._asdict() for each in found]
        print(json.dumps({"device": flags.device, "load": load, "throughput": rows}))
        return
    name = torch.cuda.get_device_name() if flags.device == "cuda" else f"{os.cpu_count()} CPUs"
    print(f"{name}, a load of {load:.1f} from other work at the start\n\n{table(found)}")


if __name__ == "__main__":
    main()
