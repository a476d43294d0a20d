"""How far a reported test MAE lies from the truth: the field's way to report one, and ours.

    python -m benchmarks.claims
    python -m benchmarks.claims --replicates 100 --json

A simulation with the spreads of MOSI (`promotion_world.py`). The field's tuner (MMSA's `run -tune`)
trains random configurations on one seed each, scores each on the test split, and the best of these
scores is what is reported. Here the best five by validation race against the paper's configuration
on fresh seeds, the winner is kept if further seeds confirm it, and then the test split is read
once; the mean over those seeds is what is reported. The truth is the expected MAE of the reported
configuration on new clips and new seeds. All configurations are equally good, or spread by 0.05.
"""

import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.promotion_world import (
    MEAN_ERROR,
    OF_BOTH,
    OF_CLIPS,
    OF_CONFIGURATIONS,
    OF_SEEDS,
    SEEDS,
    Errors,
    World,
    kept,
)
from search.study.identity import PAPER_TRIAL

TEST_CLIPS = 686
"""of MOSI's test split"""
SEARCHED = 200
"""configurations, of the tuner and of the search"""
SPREADS = (0.0, 0.05)


class Claim(NamedTuple):
    """What is reported of a configuration, and what is true of it."""

    stated: float
    true: float


class Way(Record):
    """The claims of one way to report, in the mean over the simulations."""

    stated: float
    true: float
    optimism: float
    """the truth less what is stated: how much worse it is than reported"""
    error: float
    """the standard error of that mean"""

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> "Way":
        """Take the means."""
        stated, true = np.array(claims).T
        gaps = true - stated
        return cls(
            stated=float(stated.mean()),
            true=float(true.mean()),
            optimism=float(gaps.mean()),
            error=float(gaps.std(ddof=1) / len(gaps) ** 0.5),
        )


class Reported(Record):
    """Both ways, where configurations differ by so much."""

    spread: float
    """the standard deviation of the true MAE of configurations"""
    field: Way
    ours: Way
    replaced: int
    """promotions that kept another configuration than the paper's"""


class Claims(Measurement):
    """How far reported test figures lie from the truth."""

    replicates: int
    searched: int = SEARCHED
    test_clips: int = TEST_CLIPS
    final_seeds: int = SEEDS
    reported: Sequence[Reported]

    def lines(self) -> Iterator[str]:
        """Yield both ways for each spread."""
        for each in self.reported:
            yield f"{self.searched} configurations whose true MAE spread by {each.spread}:"
            for name, way in (("the field's tuner", each.field), ("ours", each.ours)):
                yield (
                    f"  {name:17}  states {way.stated:.3f}, true {way.true:.3f}; too good by "
                    f"{way.optimism:+.4f} (standard error {way.error:.4f})"
                )
            yield f"  the paper's was replaced in {each.replaced} of {self.replicates}"


def scores_on_test(rng: np.random.Generator, true: Errors, seeds: int) -> Errors:
    """Draw the MAE on a test split of some configurations [C], each the mean over its own seeds.

    That is the mean over clips and seeds of the errors that a `World` draws one by one.
    """
    of_clips = rng.normal(0, OF_CLIPS / TEST_CLIPS**0.5)
    of_configurations = rng.normal(0, OF_CONFIGURATIONS / TEST_CLIPS**0.5, len(true))
    of_seed = (OF_SEEDS**2 + OF_BOTH**2 / TEST_CLIPS) ** 0.5
    of_seeds = rng.normal(0, of_seed / seeds**0.5, len(true))
    return np.asarray(true + of_clips + of_configurations + of_seeds)


def fields_claim(rng: np.random.Generator, spread: float) -> Claim:
    """Report the best of the scores that random configurations have on the test split."""
    true = MEAN_ERROR + rng.normal(0, spread, SEARCHED)
    scores = scores_on_test(rng, true, seeds=1)
    best = int(scores.argmin())
    return Claim(float(scores[best]), float(true[best]))


def our_claim(rng: np.random.Generator, spread: float) -> tuple[Claim, bool]:
    """Promote, read the test split for what is kept, and tell whether it is not the paper's."""
    world = World(rng, searched=SEARCHED, spread=spread)
    number = kept(world)
    true = world.true[number]
    (score,) = scores_on_test(rng, np.array([true]), seeds=SEEDS)
    return Claim(float(score), float(true)), number != PAPER_TRIAL


def reported_at(spread: float, replicates: int) -> Reported:
    """Report in both ways, again and again."""
    # These products are too small for threads, which only wait for each other.
    with threadpool_limits(1):
        rng = np.random.default_rng(0)
        theirs = [fields_claim(rng, spread) for _ in range(replicates)]
        ours = [our_claim(rng, spread) for _ in range(replicates)]
    return Reported(
        spread=spread,
        field=Way.of(theirs),
        ours=Way.of([claim for claim, _ in ours]),
        replaced=sum(replaced for _, replaced in ours),
    )


def measure(flags: Namespace, map_: Callable[..., Iterator[Reported]]) -> Claims:
    """Simulate every spread, by something like `map`."""
    reported = map_(reported_at, SPREADS, [flags.replicates] * len(SPREADS))
    return Claims(replicates=flags.replicates, reported=list(reported))


def main() -> None:
    """Simulate, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--replicates", type=int, default=600, help="of every simulation")
    flags = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        tell(lambda: measure(flags, pool.map), as_json=flags.json)


if __name__ == "__main__":
    main()
