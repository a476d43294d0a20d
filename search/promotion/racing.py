"""The rule of a race: who leads, and who is so clearly worse that it gets no further seeds."""

from collections.abc import Container, Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from search.seeded.comparison import FEWEST_SEEDS, Comparison, compare
from search.study.records import trial_name

DROPPED_BELOW = 0.05
"""The probability of being better than the leader below which a finalist is dropped. There is a
look after each seed, and each look may drop the true best one: with 5 finalists and 5 seeds one
that is better than the others by 0.03 was dropped in 13 of 600 simulated races
(benchmarks/promotion_rates.py)."""

Errors = Mapping[int, Mapping[int, NDArray[np.float32]]]
"""by finalist and by the index of a seed: the absolute errors [N] on the validation clips"""


class Loser(BaseModel):
    """A finalist that was dropped, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    leader: int
    comparison: Comparison
    """of the finalist with the leader"""

    @property
    def evidence(self) -> str:
        """The reason, as a sentence without its subject."""
        against = self.comparison.describe(trial_name(self.leader))
        return f"{against}, {self.comparison.probability:.1%} likely to be the better one"


def leader(errors: Errors) -> int | None:
    """Return the finalist with the lowest mean MAE of those with two seeds or more, if any."""
    means = {
        number: float(np.mean([each.mean() for each in of_seeds.values()]))
        for number, of_seeds in errors.items()
        if len(of_seeds) >= FEWEST_SEEDS
    }
    return min(means, key=lambda number: (means[number], number), default=None)


def losers(errors: Errors, never: Container[int]) -> list[Loser]:
    """Return the finalists that are clearly worse than the leader, on the seeds that both have.

    Those in `never` are none of them.
    """
    first = leader(errors)
    found: list[Loser] = []
    if first is None:
        return found
    for number in sorted(errors):
        shared = sorted(errors[number].keys() & errors[first].keys())
        if number == first or number in never or len(shared) < FEWEST_SEEDS:
            continue
        comparison = compare(
            np.stack([errors[number][seed] for seed in shared]),
            np.stack([errors[first][seed] for seed in shared]),
        )
        if comparison.probability < DROPPED_BELOW:
            found.append(Loser(number=number, leader=first, comparison=comparison))
    return found
