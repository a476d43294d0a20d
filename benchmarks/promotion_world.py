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
        spread: float = 0.0,
    ) -> None:
        """Make them equally good on the population of clips, unless they are spread.

        Args:
            rng: draws all there is to draw.
            better: by how much some are better after all, by number.
            searched: choose the finalists as the best of so many trials, on one seed and these
                clips; none: they are taken at random.
            spread: the standard deviation of how good the others truly are, around the paper's.
        """
        self._rng = rng
        self._clips = rng.normal(MEAN_ERROR, OF_CLIPS, CLIPS)
        count = searched or 1 + FINALISTS
        self.effects = rng.normal(0, OF_CONFIGURATIONS, (count, CLIPS))
        self.true = np.full(count, MEAN_ERROR)
        """the MAE of each on the population of clips and seeds"""
        if spread:
            self._worsen(np.append(0.0, rng.normal(0, spread, count - 1)))
        if searched is not None:
            found = np.array([self.train(number, 1).mean() for number in range(searched)])
            chosen = [PAPER_TRIAL, *(1 + np.argsort(found[1:])[:FINALISTS])]
            self.effects, self.true = self.effects[chosen], self.true[chosen]
        self._worsen(np.array([-better.get(number, 0.0) for number in range(len(self.true))]))

    def _worsen(self, by: Errors) -> None:
        self.effects = self.effects + by[:, None]
        self.true = self.true + by

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


def kept(
    world: World, judge: Callable[[Comparison], bool] = clearly_beats, *, refit: bool = False
) -> int:
    """Return the number of the configuration that a promotion keeps.

    With a refit the race decides; otherwise the paper's and the candidate are trained on further
    seeds.
    """
    raced = race(world)
    if raced.candidate == PAPER_TRIAL:
        return PAPER_TRIAL
    both = (raced.candidate, PAPER_TRIAL)
    if refit:
        first, second = (np.stack(list(raced.errors[number].values())) for number in both)
    else:
        first, second = (world.train(number, SEEDS) for number in both)
    return raced.candidate if judge(compare(first, second)) else PAPER_TRIAL


def replaces_paper(
    world: World, judge: Callable[[Comparison], bool] = clearly_beats, *, refit: bool = False
) -> bool:
    """Tell whether a promotion replaces the paper's configuration."""
    return kept(world, judge, refit=refit) != PAPER_TRIAL
