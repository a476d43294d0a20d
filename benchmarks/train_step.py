"""How much a training step and an evaluation cost, in numbers that carry over between machines.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --device cuda
    python benchmarks/train_step.py --json

A GFLOP-equivalent is the time in which this machine does 10^9 operations of a 736 x 50 x 200 matrix
product, measured in the same process. It needs torch, numpy, pydantic and safetensors, no data and
no installation; on a CPU it uses one thread. The released code costs 3.5 GFLOP-equivalents per
training sample and 0.90 per evaluated one.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dlf.config import Config
from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.model.dlf import DLF
from dlf.training.allocator import keep_freed_memory
from dlf.training.batching import Clips
from dlf.training.inference import predict
from dlf.training.optimisation import Optimisation

SIZES = InputSizes(
    widths=PerModality(text=768, audio=5, vision=20),
    time_steps=PerModality(text=50, audio=50, vision=50),
)
TOKENS_OF_MOSI = {
    4: 9, 5: 21, 6: 51, 7: 93, 8: 101, 9: 84, 10: 114, 11: 94, 12: 83, 13: 64, 14: 63, 15: 59,
    16: 48, 17: 49, 18: 39, 19: 36, 20: 36, 21: 23, 22: 36, 23: 19, 24: 19, 25: 12, 26: 9, 27: 13,
    28: 14, 29: 7, 30: 17, 31: 10, 32: 13, 33: 4, 34: 4, 35: 4, 36: 4, 37: 2, 38: 3, 39: 3, 40: 1,
    41: 4, 42: 1, 43: 2, 44: 2, 45: 4, 48: 1, 50: 9,
}  # fmt: skip
"""clips of MOSI's train split by their number of tokens"""
ROUNDS = 3
"""rounds in which everything is measured in turn, on a machine that may be busy; medians count"""
CLIPS = {"reference": 128, "masked": sum(TOKENS_OF_MOSI.values())}
"""clips per round: a whole epoch of MOSI where lengths matter, eight batches where they do not"""
RELEASED = {"train": 3.5, "eval": 0.90}
"""GFLOP-equivalents per sample of the released code"""
PRODUCT = (736, 50, 200)
REPEATS = 500
"""products beside each piece of work"""
PIECE = 8
"""training batches in a piece"""


class FlatClips(NamedTuple):
    """Random features of one modality."""

    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class MadeUpSplit:
    """Random features and labels of some clips, as long as those of MOSI's train split are."""

    def __init__(self, clips: int) -> None:
        random = np.random.default_rng(0)
        tokens, counts = np.array(list(TOKENS_OF_MOSI.items())).T
        lengths = random.permutation(np.repeat(tokens, counts))[:clips]
        self.labels = (random.integers(-15, 16, clips) / 5).astype(np.float32)
        self._flat = {
            m: FlatClips(
                random.standard_normal((lengths.sum(), SIZES.widths[m]), np.float32),
                np.cumsum(lengths) - lengths,
                lengths,
            )
            for m in MODALITIES
        }

    def __getitem__(self, modality: Modality) -> FlatClips:
        """Return one modality."""
        return self._flat[modality]


class Subject:
    """The paper's model and recipe in one kind of padding, and an epoch to measure them on."""

    def __init__(self, padding: str, device: str) -> None:
        self.config = Config().with_values({"padding": padding})
        torch.manual_seed(0)
        self.model = DLF(self.config.model, SIZES).to(device)
        self.clips = Clips(MadeUpSplit(CLIPS[padding]), SIZES, self.config, device)
        self.batches = self.clips.shuffled(seed=0, epoch=1)
        self._optimisation = Optimisation(self.model, self.config, device)

    def train(self) -> Iterator[Callable[[], None]]:
        """Yield an epoch of training in pieces of some batches, for the caller to run.

        A batch is gathered, run forward, its losses backward, and its gradients clipped; every ten
        batches make a step.
        """
        self._optimisation.begin_epoch(len(self.batches))
        for start in range(0, len(self.batches), PIECE):
            yield partial(self._learn, self.batches[start : start + PIECE])

    def evaluate(self) -> Iterator[Callable[[], None]]:
        """Yield the evaluation of every clip, in one piece."""
        yield self._predict

    def _predict(self) -> None:
        predict(self.model, self.clips, self.config)

    def _learn(self, batches: list[NDArray[np.int64]]) -> None:
        for batch in self.clips.batches(batches):
            self._optimisation.learn(batch)


class Cost(NamedTuple):
    """What some work took."""

    seconds: float
    equivalents: float
    """10^9 operations of the matrix product"""


class Clock:
    """Measures work with the product beside each piece, since a busy machine changes its pace."""

    def __init__(self, device: str) -> None:
        rows, inner, columns = PRODUCT
        self._left = torch.randn(rows, inner, device=device)
        self._right = torch.randn(inner, columns, device=device)
        self._out = torch.empty(rows, columns, device=device)
        self._device = device
        self.gflops: list[float] = []

    def cost(self, pieces: Iterator[Callable[[], None]]) -> Cost:
        """Run all pieces of some work."""
        seconds = equivalents = 0.0
        for piece in pieces:
            gflops = 2e-9 * math.prod(PRODUCT) * REPEATS / self._seconds(self._multiply)
            taken = self._seconds(piece)
            self.gflops.append(gflops)
            seconds += taken
            equivalents += taken * gflops
        return Cost(seconds, equivalents)

    def _multiply(self) -> None:
        for _ in range(REPEATS):
            torch.mm(self._left, self._right, out=self._out)

    def _seconds(self, work: Callable[[], None]) -> float:
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Measure, and print what was found."""
    arguments = parsed()
    torch.set_num_threads(1)
    keep_freed_memory()
    clock = Clock(arguments.device)
    subjects = {padding: Subject(padding, arguments.device) for padding in CLIPS}
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(1 + ROUNDS):
        for padding, subject in subjects.items():
            costs.setdefault((padding, "train"), []).append(clock.cost(subject.train()))
            costs.setdefault((padding, "eval"), []).append(clock.cost(subject.evaluate()))

    result: dict[str, float | dict[str, float]] = {}
    result["gemm_gflops"] = round(statistics.median(clock.gflops), 1)
    lines = [f"matrix product {' x '.join(map(str, PRODUCT))}: {result['gemm_gflops']} GFLOP/s"]
    for padding, subject in subjects.items():
        found: dict[str, float] = {}
        for kind, released in RELEASED.items():
            _warming, *rounds = costs[padding, kind]
            samples = CLIPS[padding] / statistics.median(cost.seconds for cost in rounds)
            equivalents = statistics.median(cost.equivalents for cost in rounds) / CLIPS[padding]
            found[kind] = round(equivalents, 4)
            lines.append(
                f"{padding} {kind}: {samples:.0f} samples/s, {equivalents:.3f} GFLOP-equivalents "
                f"per sample, {released / equivalents:.1f} times less than the released code"
            )
        profiled = profile_of(subject)
        found["operators"] = round(operator_calls(profiled) / PIECE)
        lines.append(f"{padding} train: {found['operators']} operator calls per step")
        if arguments.profile:
            lines.append(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))
        result[padding] = found
    print(json.dumps(result) if arguments.json else "\n".join(lines))


def profile_of(subject: Subject) -> profile:
    """Return the profile of one piece of training."""
    found = profile(activities=[ProfilerActivity.CPU])
    with found:
        next(subject.train())()
    return found


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object, no text")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    return parser.parse_args()


def operator_calls(profiled: profile) -> int:
    """Return the calls of torch's operators, those that other operators make included."""
    return sum(event.count for event in profiled.key_averages() if event.key.startswith("aten::"))


if __name__ == "__main__":
    main()
