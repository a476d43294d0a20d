"""The benchmark of promotions' rules: what it counts, and that it runs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks import promotion_rates
from benchmarks.promotion_rates import PromotionRates, RaceRates
from benchmarks.promotion_world import FINALISTS, SEEDS, World, kept, race, replaces_paper
from search.seeded.comparison import Comparison, compare
from search.study.identity import PAPER_TRIAL


def test_what_is_far_worse_is_dropped_early_and_saves_its_further_seeds() -> None:
    raced = race(World(np.random.default_rng(0), better={5: -1.0}))
    assert raced.dropped[5] < SEEDS
    assert raced.trainings < (1 + FINALISTS) * SEEDS
    assert raced.candidate not in raced.dropped


def test_a_long_search_finds_finalists_that_look_better_than_they_are() -> None:
    rng = np.random.default_rng(0)
    lucky = [World(rng, searched=200).effects for _ in range(10)]
    gap = np.mean([of[PAPER_TRIAL].mean() - of[1:].mean() for of in lucky])
    assert gap > 0.02


def test_the_race_decides_with_a_refit_and_further_seeds_without() -> None:
    asked: list[Comparison] = []

    def judge(comparison: Comparison) -> bool:
        asked.append(comparison)
        return True

    def world() -> World:
        return World(np.random.default_rng(3), better={2: 0.5})

    for refit in (True, False):
        assert replaces_paper(world(), judge, refit=refit)
    of_race, of_further_seeds = asked
    errors = race(world()).errors
    raced = [np.stack(list(errors[number].values())) for number in (2, PAPER_TRIAL)]
    assert of_race == compare(*raced) != of_further_seeds
    assert of_race.seeds == of_further_seeds.seeds == SEEDS


def test_better_ones_are_truly_better_and_the_others_spread_around_the_papers() -> None:
    rng = np.random.default_rng(0)
    assert World(rng, better={3: 0.1}).true.tolist() == [0.9, 0.9, 0.9, 0.8, 0.9, 0.9]
    spread = World(rng, spread=0.05)
    assert spread.true[PAPER_TRIAL] == 0.9
    assert 0.01 < spread.true[1:].std() < 0.2
    chosen = [World(rng, searched=50, spread=0.05).true[1:].mean() for _ in range(5)]
    assert max(chosen) < 0.9


def test_what_is_far_better_is_kept_and_an_equal_one_hardly_ever() -> None:
    rng = np.random.default_rng(0)
    assert kept(World(rng, better={2: 0.5})) == 2
    assert [kept(World(rng)) for _ in range(3)] == [PAPER_TRIAL] * 3


@pytest.mark.slow
def test_every_rate_is_measured(measured_by: Callable[..., PromotionRates]) -> None:
    measured = measured_by("promotion_rates", "--replicates", "1")
    assert [each.searched for each in measured.equal] == [None, 200, 1000]
    assert [each.better for each in measured.found] == [0.05, 0.1, 0.15, 0.2]
    assert {(each.of, each.seeds) for each in measured.coverage} == {
        (of, seeds) for of in ("a mean", "a difference") for seeds in (2, 3, SEEDS)
    }
    lines = list(measured.lines())
    assert len(lines) == 15
    assert lines[0].endswith(" of 1")


def test_counts_are_told_of_the_simulation_that_they_are_of() -> None:
    def answers(called: Any, simulations: list[Any]) -> Iterator[Any]:
        race_ = RaceRates(margin=0.03, lost=1, worse=[0.2], saved=0.2)
        yield from range(len(simulations) - 2)
        yield from (race_, [])

    measured = promotion_rates.measure(7, answers)
    assert [(e.searched, e.at_99, e.by_interval, e.with_refit) for e in measured.equal] == [
        (None, 6, 7, 8),
        (200, 3, 4, 5),
        (1000, 0, 1, 2),
    ]
    assert [each.replaced for each in measured.found] == [9, 10, 11, 12]
