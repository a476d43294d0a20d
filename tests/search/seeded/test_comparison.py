"""Paired comparisons on differences that were planted."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dlf.intervals import Interval
from search.seeded.comparison import CLEARLY_BEATS, Comparison, clearly_beats, compare

CLIPS = 229


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Thousands of small products are slower on several threads, the more so on a busy machine."""
    with threadpool_limits(1):
        yield


def planted_pair(
    rng: np.random.Generator, seeds: int, difference: float, *, of_seeds: float = 0.05
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return errors [S, N] of two configurations, the first larger by a difference."""
    clips = rng.normal(0.9, 0.65, CLIPS)
    first, second = (
        clips
        + rng.normal(0, 0.35, CLIPS)
        + rng.normal(0, of_seeds, (seeds, 1))
        + rng.normal(0, 0.3, (seeds, CLIPS))
        for _ in range(2)
    )
    return first + difference, second


@pytest.mark.parametrize(("seeds", "most"), [(2, 1.0), (3, 0.998), (5, 0.996)])
def test_coverage_of_a_difference(seeds: int, most: float) -> None:
    rng = np.random.default_rng(seeds)
    found = []
    for _ in range(500):
        interval = compare(*planted_pair(rng, seeds, 0.04)).interval
        found.append(interval.low <= 0.04 <= interval.high)
    assert 0.95 <= np.mean(found) <= most


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_difference_of_five_standard_errors_is_found(sign: int) -> None:
    """Its sign and its size; 5 seeds of two configurations have a standard error of 0.038."""
    rng = np.random.default_rng(1)
    standard_error = np.sqrt(2 * (0.35**2 / CLIPS + 0.3**2 / CLIPS / 5 + 0.025**2 / 5))
    planted = sign * 5 * standard_error
    found = [compare(*planted_pair(rng, 5, planted, of_seeds=0.025)) for _ in range(200)]
    clear = [c.clearly_better if sign < 0 else c.clearly_worse for c in found]
    assert np.mean(clear) >= 0.97
    assert not any(c.clearly_worse if sign < 0 else c.clearly_better for c in found)
    assert np.mean([c.difference for c in found]) == pytest.approx(planted, abs=0.01)


def test_what_a_seed_or_a_clip_does_to_both_cancels_out() -> None:
    rng = np.random.default_rng(2)
    seeds, clips = rng.normal(0, 0.5, (3, 1)), rng.normal(0.9, 0.65, CLIPS)
    second = seeds + clips + rng.normal(0, 0.05, (3, CLIPS))
    first = seeds + clips + rng.normal(0, 0.05, (3, CLIPS)) - 0.05
    assert compare(first, second).clearly_better
    unpaired = compare(first, second[[1, 2, 0]])
    assert not unpaired.clearly_better
    assert unpaired.difference == pytest.approx(compare(first, second).difference)


def test_the_other_way_round_it_says_the_opposite() -> None:
    first, second = planted_pair(np.random.default_rng(3), 3, -0.02)
    there, back = compare(first, second), compare(second, first)
    assert back.difference == pytest.approx(-there.difference)
    assert back.interval.low == pytest.approx(-there.interval.high)
    assert back.interval.high == pytest.approx(-there.interval.low)
    assert back.probability == pytest.approx(1 - there.probability)
    assert compare(first, second) == there


def test_the_same_errors_are_a_tie() -> None:
    errors = np.random.default_rng(4).normal(0.9, 0.65, (3, CLIPS))
    tie = compare(errors, errors)
    assert tie == Comparison(
        difference=0, interval=Interval(low=0, high=0), probability=0.5, seeds=3
    )
    assert not tie.clearly_better
    assert not tie.clearly_worse
    assert not clearly_beats(tie)


@pytest.mark.parametrize("shapes", [((3, 9), (2, 9)), ((3, 9), (3, 8)), ((1, 9), (1, 9))])
def test_what_cannot_be_paired_is_refused(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        compare(*(np.zeros(shape) for shape in shapes))


def test_the_paper_is_beaten_by_what_is_also_clearly_better() -> None:
    rng = np.random.default_rng(5)
    found = [compare(*planted_pair(rng, 5, d)) for d in np.linspace(-0.3, 0.1, 60)]
    beaten = [clearly_beats(c) for c in found]
    assert beaten == [c.probability >= CLEARLY_BEATS for c in found]
    assert any(beaten)
    assert not all(beaten)
    assert all(c.clearly_better for c in found if clearly_beats(c))


def test_words() -> None:
    interval = Interval(low=-0.04, high=-0.01)
    better = Comparison(difference=-0.025, interval=interval, probability=0.996, seeds=5)
    assert better.describe("trial 3") == (
        "0.0250 better than trial 3 on 5 seeds, 95% interval 0.0100 to 0.0400"
    )


@pytest.mark.parametrize(("probability", "beaten"), [(0.99, True), (0.9899, False)])
def test_the_paper_is_beaten_from_a_probability_on(probability: float, beaten: bool) -> None:
    """Whatever the interval says."""
    final = Comparison(
        difference=-0.02,
        interval=Interval(low=-0.04, high=-0.001),
        probability=probability,
        seeds=5,
    )
    assert final.clearly_better
    assert clearly_beats(final) is beaten
