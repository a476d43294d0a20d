"""The race's rule on small cases, and how often whole races and promotions err, by simulation."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dlf.intervals import Interval
from search.comparison import Comparison, clearly_beats, compare
from search.identity import PAPER_TRIAL
from search.racing import Loser, leader, losers

CLIPS = 229
FINALISTS = 5
FIRST_SEEDS, SEEDS = 2, 5


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


class World:
    """Trainings with the spreads of MOSI: validation clips, configurations, seeds."""

    def __init__(
        self, rng: np.random.Generator, *, best: int | None = None, searched: int | None = None
    ) -> None:
        """Plant a best finalist, or choose the finalists by a search of equal trials."""
        self._rng = rng
        self._clips = rng.normal(0.9, 0.65, CLIPS)
        if searched is None:
            self.effects = rng.normal(0, 0.35, (1 + FINALISTS, CLIPS))
        else:
            self.effects = rng.normal(0, 0.35, (searched, CLIPS))
            found = np.array([self.train(number, 1).mean() for number in range(searched)])
            chosen = 1 + np.argsort(found[1:])[:FINALISTS]
            self.effects = self.effects[[PAPER_TRIAL, *chosen]]
        if best is not None:
            self.effects[best] -= 0.03

    def train(self, number: int, seeds: int) -> NDArray[np.float64]:
        """Return the errors [S, N] of a configuration on seeds that nobody had."""
        of_seeds = self._rng.normal(0, 0.015, (seeds, 1))
        of_both = self._rng.normal(0, 0.3, (seeds, CLIPS))
        return np.asarray(self._clips + self.effects[number] + of_seeds + of_both)


def race(world: World) -> tuple[int, set[int]]:
    """Return the candidate, and who was dropped."""
    errors = {number: dict(enumerate(world.train(number, SEEDS))) for number in range(6)}
    dropped: set[int] = set()
    for seeds in range(FIRST_SEEDS, SEEDS + 1):
        known = {
            number: {index: of_seeds[index] for index in range(seeds)}
            for number, of_seeds in errors.items()
            if number not in dropped
        }
        dropped |= {loser.number for loser in losers(known, never={PAPER_TRIAL})}
    candidate = leader({number: errors[number] for number in errors.keys() - dropped})
    assert candidate is not None
    return candidate, dropped


def replaces_paper(world: World) -> bool:
    """Run the race, and then the final on further seeds."""
    candidate, _ = race(world)
    if candidate == PAPER_TRIAL:
        return False
    return clearly_beats(compare(world.train(candidate, SEEDS), world.train(PAPER_TRIAL, SEEDS)))


def check_the_best_stays(replicates: int) -> None:
    rng = np.random.default_rng(0)
    races = [race(World(rng, best=3))[1] for _ in range(replicates)]
    assert sum(3 in dropped for dropped in races) <= 0.1 * replicates
    assert sum(map(len, races)) > 0.2 * replicates, "a race that drops nobody saves nothing"
    assert not any(PAPER_TRIAL in dropped for dropped in races)


def check_the_paper_stays(replicates: int, searched: int | None) -> None:
    rng = np.random.default_rng(1)
    replaced = sum(replaces_paper(World(rng, searched=searched)) for _ in range(replicates))
    assert replaced <= 0.1 * replicates


def test_the_best_is_dropped_in_at_most_a_tenth_of_races() -> None:
    check_the_best_stays(100)


@pytest.mark.parametrize("searched", [None, 200])
def test_an_equal_paper_is_replaced_in_at_most_a_tenth_of_promotions(searched: int | None) -> None:
    """Also where the finalists are the best of 200 trials, of which none is better than another."""
    check_the_paper_stays(100, searched)


@pytest.mark.slow
def test_the_best_is_dropped_in_at_most_a_tenth_of_many_races() -> None:
    check_the_best_stays(500)


@pytest.mark.slow
@pytest.mark.parametrize("searched", [None, 200])
def test_an_equal_paper_is_replaced_in_at_most_a_tenth_of_many(searched: int | None) -> None:
    check_the_paper_stays(500, searched)


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
