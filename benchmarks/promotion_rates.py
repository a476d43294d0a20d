"""Simulate promotions, and count how often their rules are right.

    python -m benchmarks.promotion_rates --replicates 600

Tells how often the race drops a finalist that is truly the best, how often the paper's
configuration is replaced where nothing is better than it, how often where something is, what the
race saves, and how often the 95% intervals hold the true value.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.promotion_world import (
    CLIPS,
    FINALISTS,
    MEAN_ERROR,
    OF_BOTH,
    OF_CLIPS,
    OF_CONFIGURATIONS,
    SEEDS,
    World,
    race,
    replaces_paper,
)
from dlf.intervals import Floats, interval_of, redrawn_means, resampled_clips
from search.seeded.comparison import Comparison, clearly_beats

MARGIN = 0.03
BETTER = (0.05, 0.1, 0.15, 0.2)
SPREAD_OUT = {1: 0.0, 2: -0.02, 3: -0.05, 4: -0.1, 5: -0.2}
LONG_SEARCHES = (None, 200, 1000)
SEED_SPREAD = 0.05
"""of seeds in the intervals' simulation: where seeds differ little, clips are all that matters"""

Map = Callable[..., Iterator[Any]]


class RaceRates(Record):
    """What the race costs and saves."""

    margin: float
    """in MAE, by which a finalist is truly the best"""
    lost: int
    """promotions in which the race dropped it"""
    worse: Sequence[float]
    """by how much the finalists are worse than the paper's, where trainings are saved"""
    saved: float
    """the share of trainings that the race saves there"""


class Replaced(Record):
    """Promotions that replace the paper's configuration though nothing is better."""

    searched: int | None
    """trials of which the finalists are the best; none: they are taken at random"""
    at_99: int
    """by the rule that holds"""
    by_interval: int
    """by the 95% interval, which asks for less"""
    with_refit: int
    """where the race decides"""

    @property
    def finalists(self) -> str:
        """Who the finalists are, in words."""
        if self.searched is None:
            return "taken at random"
        return f"the best of {self.searched} equal trials"


class Found(Record):
    """Promotions that replace the paper's configuration where one finalist is truly better."""

    better: float
    """by so much MAE"""
    replaced: int


class Coverage(Record):
    """How often a 95% interval holds the true value."""

    of: str
    seeds: int
    ours: float
    plain: float
    """of a bootstrap that resamples seeds like clips"""


class PromotionRates(Measurement):
    """How often the rules of a promotion are right."""

    replicates: int
    """of every simulation"""
    race: RaceRates
    equal: Sequence[Replaced]
    found: Sequence[Found]
    coverage: Sequence[Coverage]

    def lines(self) -> Iterator[str]:
        """Yield a line for each rate."""
        of, race_ = self.replicates, self.race
        yield f"a true best, better by {race_.margin}, is dropped: {race_.lost} of {of}"
        worse = ", ".join(f"{by:g}" for by in race_.worse)
        yield f"trainings saved, finalists {worse} worse than the paper's: {race_.saved:.0%}"
        for each in self.equal:
            yield (
                f"an equal paper's is replaced, finalists {each.finalists}: {each.at_99} of {of}; "
                f"by the 95% interval {each.by_interval}; with --refit {each.with_refit}"
            )
        for one in self.found:
            yield f"it is replaced where one is better by {one.better}: {one.replaced} of {of}"
        for covered in self.coverage:
            yield (
                f"an interval of {covered.of} with {covered.seeds} seeds holds the true one: "
                f"{covered.ours:.1%}; seeds resampled like clips {covered.plain:.1%}"
            )


def by_the_interval(comparison: Comparison) -> bool:
    """Judge by the 95% interval, which asks for less than the promotion does."""
    return comparison.clearly_better


def worlds(
    replicates: int, *, better: Mapping[int, float] = {}, searched: int | None = None
) -> Iterator[World]:
    """Make worlds of one kind, the same ones each time."""
    rng = np.random.default_rng(0)
    return (World(rng, better=better, searched=searched) for _ in range(replicates))


def race_rates(replicates: int) -> RaceRates:
    """Race where one finalist is the best, and where all are worse."""
    races = [race(world) for world in worlds(replicates, better={3: MARGIN})]
    trained = sum(race(world).trainings for world in worlds(replicates, better=SPREAD_OUT))
    return RaceRates(
        margin=MARGIN,
        lost=sum(3 in raced.dropped for raced in races),
        worse=[abs(by) for by in SPREAD_OUT.values()],
        saved=1 - trained / replicates / ((1 + FINALISTS) * SEEDS),
    )


def replacements(
    searched: int | None, judge: Callable[[Comparison], bool], refit: bool, replicates: int
) -> int:
    """Count the promotions that replace an equal paper's configuration."""
    made = worlds(replicates, searched=searched)
    return sum(replaces_paper(world, judge, refit=refit) for world in made)


def finds(by: float, replicates: int) -> int:
    """Count the promotions that replace the paper's where one is better."""
    return sum(map(replaces_paper, worlds(replicates, better={3: by})))


def coverage(replicates: int) -> list[Coverage]:
    """Tell how often intervals hold the true value: ours, and those of a plain bootstrap."""
    rng = np.random.default_rng(1)
    cases = {"a mean": (MEAN_ERROR, OF_CLIPS), "a difference": (0.0, OF_CONFIGURATIONS * 2**0.5)}
    found = []
    for name, (true, of_clips) in cases.items():
        for seeds in (2, 3, SEEDS):
            ours = plain = 0
            for _ in range(replicates):
                errors = rng.normal(true, of_clips, CLIPS) + rng.normal(0, SEED_SPREAD, (seeds, 1))
                errors = errors + rng.normal(0, OF_BOTH, (seeds, CLIPS))
                of_seeds = resampled_clips(CLIPS) @ errors.T / CLIPS
                ours += holds(redrawn_means(of_seeds), true)
                drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), len(of_seeds)) / seeds
                plain += holds((of_seeds * drawn).sum(axis=1), true)
            found.append(
                Coverage(of=name, seeds=seeds, ours=ours / replicates, plain=plain / replicates)
            )
    return found


def holds(values: Floats, true: float) -> bool:
    """Tell whether the middle 95% of values hold the true one."""
    interval = interval_of(values)
    return interval.low <= true <= interval.high


def called(simulation: Callable[[], Any]) -> Any:
    """Run a simulation, for a pool that maps over them."""
    # These products are too small for threads, which only wait for each other.
    with threadpool_limits(1):
        return simulation()


def measure(replicates: int, map_: Map) -> PromotionRates:
    """Run every simulation, by something like `map`."""
    rules: Sequence[tuple[Callable[[Comparison], bool], bool]] = (
        (clearly_beats, False),
        (by_the_interval, False),
        (clearly_beats, True),
    )
    simulations: list[Callable[[], Any]] = [
        partial(replacements, searched, judge, refit, replicates)
        for searched in reversed(LONG_SEARCHES)
        for judge, refit in rules
    ]
    simulations += [partial(finds, by, replicates) for by in BETTER]
    simulations += [partial(race_rates, replicates), partial(coverage, replicates)]
    *counts, raced, covered = map_(called, simulations)
    of_equal, of_better = counts[: -len(BETTER)], counts[-len(BETTER) :]
    equal = [
        Replaced(searched=searched, at_99=at_99, by_interval=by_interval, with_refit=with_refit)
        for searched, at_99, by_interval, with_refit in zip(
            reversed(LONG_SEARCHES), of_equal[::3], of_equal[1::3], of_equal[2::3], strict=True
        )
    ]
    return PromotionRates(
        replicates=replicates,
        race=raced,
        equal=equal[::-1],
        found=[
            Found(better=by, replaced=count) for by, count in zip(BETTER, of_better, strict=True)
        ],
        coverage=covered,
    )


def main() -> None:
    """Simulate, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--replicates", type=int, default=600, help="of every simulation")
    flags = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        tell(lambda: measure(flags.replicates, pool.map), as_json=flags.json)


if __name__ == "__main__":
    main()
