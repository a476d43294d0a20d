"""How much a training step and an evaluation cost, in numbers that carry over between machines.

    python -m benchmarks.train_step
    python -m benchmarks.train_step --device cuda
    python -m benchmarks.train_step --json

A GFLOP-equivalent is the time in which this machine does 10^9 operations of a 736 x 50 x 200 matrix
product, measured in the same process. It needs torch, numpy, pydantic and safetensors, no data and
no installation; on a CPU it uses one thread. The released code costs 3.5 GFLOP-equivalents per
training sample and 0.90 per evaluated one, and calls 54,655 operators in a training step.
"""

import math
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.operators import Shares, operator_calls, shares_of
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
"""GFLOP-equivalents per sample of the released code, measured once in the same way"""
RELEASED_OPERATORS = 54_655
"""that a training step of the released code calls"""
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


class Work(Record):
    """What some work took for a sample, beside what the released code takes."""

    equivalents: float
    """GFLOP-equivalents, the median of the rounds"""
    lowest: float
    highest: float
    released: float
    samples_per_second: float

    @property
    def times_less(self) -> float:
        """How many times less it is than in the released code."""
        return self.released / self.equivalents


class PaddingCost(Record):
    """What the model costs in one kind of padding."""

    train: Work
    eval: Work
    operators: int
    """calls in a training step, those that other operators make included"""
    shares: Shares
    """of the time of a training step, by kind of work"""


class StepCost(Measurement):
    """What a training step and an evaluation cost."""

    device: str
    gemm_gflops: float
    """GFLOP/s of the matrix product"""
    reference: PaddingCost
    masked: PaddingCost
    released_operators: int = RELEASED_OPERATORS

    @property
    def paddings(self) -> Mapping[str, PaddingCost]:
        """Both kinds of padding, by their names."""
        return {"reference": self.reference, "masked": self.masked}

    def lines(self) -> Iterator[str]:
        """Yield a line for each kind of padding and of work."""
        yield f"matrix product {' x '.join(map(str, PRODUCT))}: {self.gemm_gflops} GFLOP/s"
        for padding, cost in self.paddings.items():
            for kind, work in (("train", cost.train), ("eval", cost.eval)):
                yield (
                    f"{padding} {kind}: {work.samples_per_second:.0f} samples/s, "
                    f"{work.equivalents:.3f} GFLOP-equivalents per sample, "
                    f"{work.times_less:.1f} times less than the released code"
                )
            yield f"{padding} train: {cost.operators} operator calls per step"
            shares = ", ".join(f"{kind} {share:.0%}" for kind, share in cost.shares.items())
            yield f"{padding} train, shares of the time: {shares}"


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


def measure(flags: Namespace) -> StepCost:
    """Measure all kinds of work in turn, in some rounds."""
    torch.set_num_threads(1)
    keep_freed_memory()
    clock = Clock(flags.device)
    subjects = {padding: Subject(padding, flags.device) for padding in CLIPS}
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(1 + flags.rounds):
        for padding, subject in subjects.items():
            costs.setdefault((padding, "train"), []).append(clock.cost(subject.train()))
            costs.setdefault((padding, "eval"), []).append(clock.cost(subject.evaluate()))
    paddings = {}
    for padding, subject in subjects.items():
        profiled, seconds = profile_of(subject)
        works = {
            kind: _work(costs[padding, kind][1:], CLIPS[padding], released)
            for kind, released in RELEASED.items()
        }
        paddings[padding] = PaddingCost(
            **works,
            operators=round(operator_calls(profiled) / PIECE),
            shares=shares_of(profiled, seconds),
        )
        if flags.profile:
            print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))
    return StepCost(
        device=flags.device,
        gemm_gflops=round(statistics.median(clock.gflops), 1),
        **paddings,
    )


def _work(rounds: list[Cost], clips: int, released: float) -> Work:
    equivalents = [cost.equivalents / clips for cost in rounds]
    return Work(
        equivalents=round(statistics.median(equivalents), 4),
        lowest=round(min(equivalents), 4),
        highest=round(max(equivalents), 4),
        released=released,
        samples_per_second=round(clips / statistics.median(cost.seconds for cost in rounds), 1),
    )


def profile_of(subject: Subject) -> tuple[profile, float]:
    """Return the profile of one piece of training, and the seconds that it took."""
    piece = next(subject.train())
    with profile(activities=[ProfilerActivity.CPU]) as found:
        started = time.perf_counter()
        piece()
        seconds = time.perf_counter() - started
    return found, seconds


def main() -> None:
    """Measure, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="after one that does not count")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, too")
    flags = parser.parse_args()
    tell(lambda: measure(flags), as_json=flags.json)


if __name__ == "__main__":
    main()
