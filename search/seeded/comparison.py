"""Two configurations held against each other, seed by seed and clip by clip."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlf.intervals import Interval, interval_of, redrawn_means, resampled_clips

FEWEST_SEEDS = 2
"""that have a spread"""

CLEARLY_BEATS = 0.99
"""The probability from which one counts as clearly better in a promotion. The candidate was chosen
on the same clips, once by the search and once by the race, and the final meets these clips again.
With 0.975, the 95% interval, an equal paper's configuration was replaced in 18 of 600 simulated
promotions of finalists taken at random, and in 89 where they were the best 5 of 200 equal trials;
with 0.99 in 6 and 35 (benchmarks/promotion_rates.py)."""


class Comparison(BaseModel):
    """How one configuration stands against another, in MAE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    difference: float
    """of the first minus the second: below zero the first is better"""
    interval: Interval
    probability: float
    """that the first is better: the share of resamples in which it is, ties as halves"""
    seeds: int

    @property
    def clearly_better(self) -> bool:
        """Whether the first is better, by the 95% interval."""
        return self.interval.high < 0

    @property
    def clearly_worse(self) -> bool:
        """Whether the first is worse, by the 95% interval."""
        return self.interval.low > 0

    def describe(self, other: str) -> str:
        """Return in words how the first stands against the other."""
        low, high = self.interval.low, self.interval.high
        if self.difference >= 0:
            word = "worse"
        else:
            word, low, high = "better", -high, -low
        return (
            f"{abs(self.difference):.4f} {word} than {other} on {self.seeds} seeds, "
            f"95% interval {low:.4f} to {high:.4f}"
        )


def compare(first: NDArray[np.floating], second: NDArray[np.floating]) -> Comparison:
    """Compare the absolute errors [S, N] of two configurations on the same seeds and clips.

    What a seed or a clip does to both cancels out. For the method see
    `dlf.intervals.redrawn_means`.

    Raises:
        ValueError: when the shapes differ, or there is one seed only.
    """
    if first.shape != second.shape or len(first) < FEWEST_SEEDS:
        raise ValueError(f"errors of shapes {first.shape} and {second.shape} cannot be paired")
    differences = (first - second).astype(np.float64)
    clips = differences.shape[1]
    values = redrawn_means(resampled_clips(clips) @ differences.T / clips)
    return Comparison(
        difference=float(differences.mean()),
        interval=interval_of(values),
        probability=float((values < 0).mean() + (values == 0).mean() / 2),
        seeds=len(first),
    )


def clearly_beats(final: Comparison) -> bool:
    """Tell whether a candidate replaces the paper's configuration, by their final trainings.

    It asks for more than `Comparison.clearly_better`, which it implies; see `CLEARLY_BEATS`.
    """
    return final.probability >= CLEARLY_BEATS
