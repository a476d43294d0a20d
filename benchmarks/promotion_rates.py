"""Simulate promotions, and count how often their rules are right.

    python benchmarks/promotion_rates.py --replicates 600

Prints how often the race drops a finalist that is truly the best, how often the paper's
configuration is replaced where nothing is better than it, how often where something is, what the
race saves, and how often the 95% intervals hold the true value.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from promotion_world import (
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
from threadpoolctl import threadpool_limits

from dlf.intervals import Floats, interval_of, redrawn_means, resampled_clips
from search.seeded.comparison import Comparison, clearly_beats

MARGIN = 0.03
BETTER = (0.05, 0.1, 0.15, 0.2)
SPREAD_OUT = {1: 0.0, 2: -0.02, 3: -0.05, 4: -0.1, 5: -0.2}
LONG_SEARCHES = (None, 200, 1000)
SEED_SPREAD = 0.05
"""of seeds in the intervals' simulation: where seeds differ little, clips are all that matters"""


def by_the_interval(comparison: Comparison) -> bool:
    """Judge by the 95% interval, which asks for less than the promotion does."""
    return comparison.clearly_better


RULES: Sequence[tuple[Callable[[Comparison], bool], bool]] = (
    (clearly_beats, False),
    (by_the_interval, False),
    (clearly_beats, True),
)
"""what judges a comparison, and whether it is that of the race, as with --refit"""


def worlds(
    replicates: int, *, better: Mapping[int, float] = {}, searched: int | None = None
) -> Iterator[World]:
    """Make worlds of one kind, the same ones each time."""
    rng = np.random.default_rng(0)
    return (World(rng, better=better, searched=searched) for _ in range(replicates))


def print_race(replicates: int) -> None:
    """Print what the race costs and saves."""
    races = [race(world) for world in worlds(replicates, better={3: MARGIN})]
    lost = sum(3 in raced.dropped for raced in races)
    print(f"a true best, better by {MARGIN}, is dropped: {lost} of {replicates}")
    trained = sum(race(world).trainings for world in worlds(replicates, better=SPREAD_OUT))
    saved = 1 - trained / replicates / ((1 + FINALISTS) * SEEDS)
    worse = ", ".join(f"{abs(by):g}" for by in SPREAD_OUT.values())
    print(f"trainings saved, finalists {worse} worse than the paper's: {saved:.0%}")


def print_replacements(replicates: int) -> None:
    """Print how often the paper's configuration is replaced."""
    for searched in LONG_SEARCHES:
        among = "taken at random" if searched is None else f"the best of {searched} equal trials"
        counts = [
            sum(
                replaces_paper(world, judge, refit=refit)
                for world in worlds(replicates, searched=searched)
            )
            for judge, refit in RULES
        ]
        print(
            f"an equal paper's is replaced, finalists {among}: {counts[0]} of {replicates}; "
            f"by the 95% interval {counts[1]}; with --refit {counts[2]}"
        )
    for by in BETTER:
        found = sum(map(replaces_paper, worlds(replicates, better={3: by})))
        print(f"it is replaced where one is better by {by}: {found} of {replicates}")


def print_coverage(replicates: int) -> None:
    """Print how often intervals hold the true value: ours, and those of a plain bootstrap."""
    rng = np.random.default_rng(1)
    cases = {"a mean": (MEAN_ERROR, OF_CLIPS), "a difference": (0.0, OF_CONFIGURATIONS * 2**0.5)}
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
            print(
                f"an interval of {name} with {seeds} seeds holds the true one: "
                f"{ours / replicates:.1%}; seeds resampled like clips {plain / replicates:.1%}"
            )


def holds(values: Floats, true: float) -> bool:
    """Tell whether the middle 95% of values hold the true one."""
    interval = interval_of(values)
    return interval.low <= true <= interval.high


def main() -> None:
    """Read the flag, simulate, print."""
    parser = argparse.ArgumentParser(description="Simulate promotions and count.")
    parser.add_argument("--replicates", type=int, default=600, help="of every simulation")
    replicates = parser.parse_args().replicates
    # These products are too small for threads, which only wait for each other.
    with threadpool_limits(1):
        print_race(replicates)
        print_replacements(replicates)
        print_coverage(replicates)


if __name__ == "__main__":
    main()
