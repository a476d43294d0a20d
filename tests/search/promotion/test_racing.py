"""The race's rule on small cases, and how often whole races and promotions err, by simulation."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.promotion_world import World, race, replaces_paper
from dlf.intervals import Interval
from search.promotion.racing import Loser, leader, losers
from search.seeded.comparison import Comparison, compare
from search.study.identity import PAPER_TRIAL

RACES = 100
"""simulated; benchmarks/promotion_rates.py has more of them"""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Thousands of small products are slower on several threads, the more so on a busy machine."""
    with threadpool_limits(1):
        yield


def constant(*maes: float) -> Mapping[int, NDArray[np.float32]]:
    """Return errors of one MAE for each seed, with a little noise that all configurations share."""
    noise = np.random.default_rng(0).normal(0, 0.01, 20).astype(np.float32)
    return {seed: mae + noise for seed, mae in enumerate(maes)}


def test_the_leader_has_the_lowest_mean_of_those_with_two_seeds() -> None:
    assert leader({}) is None
    assert leader({3: constant(0.1)}) is None
    errors = {0: constant(0.9, 0.9), 3: constant(0.1), 5: constant(0.8, 0.9, 0.7)}
    assert leader(errors) == 5
    assert leader({7: constant(0.9, 0.9), 2: constant(0.9, 0.9)}) == 2


def test_losers_are_judged_by_the_seeds_that_both_have() -> None:
    errors = {
        0: constant(1.5, 1.5001, 1.5),
        1: constant(0.8, 0.81, 0.82),
        2: constant(0.9, 0.9101),
        3: constant(0.8001, 0.8099, 0.8201),
        4: constant(2.0),
        6: {2: constant(1.0)[0], 7: constant(1.0)[0]},
    }
    found = losers(errors, never={0})
    assert [(loser.number, loser.leader, loser.comparison.seeds) for loser in found] == [(2, 1, 2)]
    assert [loser.number for loser in losers(errors, never=())] == [0, 2]
    both = [np.stack([errors[number][seed] for seed in (0, 1)]) for number in (2, 1)]
    assert found[0].comparison == compare(*both)
    assert losers({}, never=()) == []


def test_evidence() -> None:
    comparison = Comparison(
        difference=0.0421,
        interval=Interval(low=0.0117, high=0.073),
        probability=0.012,
        seeds=3,
    )
    assert Loser(number=4, leader=12, comparison=comparison).evidence == (
        "0.0421 worse than trial 12 on 3 seeds, 95% interval 0.0117 to 0.0730, "
        "1.2% likely to be the better one"
    )


def test_the_best_is_dropped_in_at_most_a_tenth_of_races() -> None:
    rng = np.random.default_rng(0)
    races = [race(World(rng, better={3: 0.03})).dropped for _ in range(RACES)]
    assert sum(3 in dropped for dropped in races) <= 0.1 * RACES
    assert sum(map(len, races)) > 0.2 * RACES, "a race that drops nobody saves nothing"
    assert not any(PAPER_TRIAL in dropped for dropped in races)


@pytest.mark.parametrize("searched", [None, 200])
def test_an_equal_paper_is_replaced_in_at_most_a_tenth_of_promotions(searched: int | None) -> None:
    """Also where the finalists are the best of 200 trials, of which none is better than another."""
    rng = np.random.default_rng(1)
    replaced = sum(replaces_paper(World(rng, searched=searched)) for _ in range(RACES))
    assert replaced <= 0.1 * RACES


def test_a_paper_that_is_far_worse_is_replaced() -> None:
    rng = np.random.default_rng(2)
    replaced = 0
    for _ in range(20):
        world = World(rng)
        world.effects[PAPER_TRIAL] += 0.25
        replaced += replaces_paper(world)
    assert replaced >= 18


def test_seeds_are_paired_by_their_index() -> None:
    """The leader has a seed that the loser lacks, and the loser one that the leader lacks."""
    leading = {0: constant(0.5)[0], **{seed: constant(0.5 + 0.1 * seed)[0] for seed in (1, 2, 3)}}
    losing = {seed: leading[seed] + np.float32(0.01) for seed in (1, 2, 3)} | {7: leading[0]}
    (loser,) = losers({4: leading, 6: losing}, never=())
    shared = (1, 2, 3)
    assert loser.comparison == compare(
        np.stack([losing[seed] for seed in shared]), np.stack([leading[seed] for seed in shared])
    )
