"""Made-up promotions with the spreads of MOSI, for what the rules of a promotion are worth.

The error of a configuration on a clip with a seed is the sum of what the clip, the configuration on
that clip, the seed and the seed on that clip do to it, all drawn anew for each promotion.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.promotion.racing import leader, losers
from search.seeded.comparison import FEWEST_SEEDS, Comparison, clearly_beats, compare
from search.study.identity import PAPER_TRIAL

CLIPS = 229
FINALISTS, SEEDS = 5, 5
MEAN_ERROR = 0.9
OF_CLIPS, OF_CONFIGURATIONS, OF_SEEDS, OF_BOTH = 0.65, 0.35, 0.015, 0.3
"""standard deviations: of clips, configurations on clips, seeds, seeds on clips"""

Errors = NDArray[np.float64]


class World:
    """The paper's configuration, of number 0, and the finalists."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        better: Mapping[int, float] = {},
        searched: int | None = None,
    ) -> None:
        """Make them equally good on the population of clips.

        Args:
            rng: draws all there is to draw.
            better: by how much some are better after all, by number.
            searched: choose the finalists as the best of so many trials, on one seed and these
                clips; none: they are taken at random.
        """
        self._rng = rng
        self._clips = rng.normal(MEAN_ERROR, OF_CLIPS, CLIPS)
        self.effects = rng.normal(0, OF_CONFIGURATIONS, (searched or 1 + FINALISTS, CLIPS))
        if searched is not None:
            found = np.array([self.train(number, 1).mean() for number in range(searched)])
            chosen = 1 + np.argsort(found[1:])[:FINALISTS]
            self.effects = self.effects[[PAPER_TRIAL, *chosen]]
        for number, by in better.items():
            self.effects[number] -= by

    def train(self, number: int, seeds: int) -> Errors:
        """Return the errors [S, N] of a configuration on seeds that nobody had."""
        of_seeds = self._rng.normal(0, OF_SEEDS, (seeds, 1))
        of_both = self._rng.normal(0, OF_BOTH, (seeds, CLIPS))
        return np.asarray(self._clips + self.effects[number] + of_seeds + of_both)


class Raced(NamedTuple):
    """What a race came to."""

    candidate: int
    dropped: Mapping[int, int]
    """after how many seeds each that was dropped was"""
    errors: Mapping[int, Mapping[int, Errors]]

    @property
    def trainings(self) -> int:
        """How many were trained."""
        return sum(self.dropped.get(number, SEEDS) for number in self.errors)


def race(world: World) -> Raced:
    """Race all of them, a look after every round of seeds."""
    errors = {
        number: dict(enumerate(world.train(number, SEEDS))) for number in range(1 + FINALISTS)
    }
    dropped: dict[int, int] = {}
    for seeds in range(FEWEST_SEEDS, SEEDS + 1):
        known = {
            number: {index: of_seeds[index] for index in range(seeds)}
            for number, of_seeds in errors.items()
            if number not in dropped
        }
        dropped |= {loser.number: seeds for loser in losers(known, never={PAPER_TRIAL})}
    candidate = leader({number: errors[number] for number in errors.keys() - dropped.keys()})
    assert candidate is not None
    return Raced(candidate, dropped, errors)


def replaces_paper(
    world: World, judge: Callable[[Comparison], bool] = clearly_beats, *, refit: bool = False
) -> bool:
    """Tell whether a promotion replaces the paper's configuration; with a refit the race decides.

    Otherwise both are trained on further seeds.
    """
    raced = race(world)
    if raced.candidate == PAPER_TRIAL:
        return False
    if refit:
        first, second = (
            np.stack(list(raced.errors[number].values()))
            for number in (raced.candidate, PAPER_TRIAL)
        )
        return judge(compare(first, second))
    return judge(compare(world.train(raced.candidate, SEEDS), world.train(PAPER_TRIAL, SEEDS)))
