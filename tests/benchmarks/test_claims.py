"""The simulation of reported figures: their distance from the truth, where that is known."""

import numpy as np
import pytest

from benchmarks import claims
from benchmarks.claims import (
    MEAN_ERROR,
    SEARCHED,
    TEST_CLIPS,
    Claim,
    Way,
    fields_claim,
    our_claim,
    reported_at,
    scores_on_test,
)
from benchmarks.promotion_world import OF_BOTH, OF_CLIPS, OF_CONFIGURATIONS, OF_SEEDS


def test_scores_have_the_spread_of_errors_drawn_one_by_one() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([scores_on_test(rng, np.full(4, 0.9), seeds=2) for _ in range(4000)])
    of_clips = OF_CLIPS**2 / TEST_CLIPS
    of_own = OF_CONFIGURATIONS**2 / TEST_CLIPS + (OF_SEEDS**2 + OF_BOTH**2 / TEST_CLIPS) / 2
    assert drawn.mean() == pytest.approx(0.9, abs=0.002)
    assert drawn.mean(axis=1).var() == pytest.approx(of_clips + of_own / 4, rel=0.1)
    assert drawn.var(axis=1, ddof=1).mean() == pytest.approx(of_own, rel=0.1)


def test_the_best_of_many_equal_ones_by_test_looks_better_than_it_is() -> None:
    rng = np.random.default_rng(0)
    found = Way.of([fields_claim(rng, 0.0) for _ in range(500)])
    assert found.true == pytest.approx(MEAN_ERROR)
    of_own = (OF_CONFIGURATIONS**2 + OF_BOTH**2) / TEST_CLIPS + OF_SEEDS**2
    highest_of_many = np.abs(rng.normal(0, 1, (2000, SEARCHED)).min(axis=1)).mean()
    expected = highest_of_many * of_own**0.5
    assert found.optimism == pytest.approx(expected, abs=5 * found.error)
    assert found.optimism > 0.04


def test_one_configuration_alone_has_no_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "SEARCHED", 1)
    rng = np.random.default_rng(0)
    found = Way.of([fields_claim(rng, 0.05) for _ in range(500)])
    assert abs(found.optimism) < 4 * found.error


def test_what_is_kept_is_reported_by_a_test_split_that_chose_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "SEARCHED", 12)
    rng = np.random.default_rng(0)
    claim, replaced = our_claim(rng, 0.5)
    assert replaced
    assert claim.true < MEAN_ERROR - 0.2
    assert claim.stated == pytest.approx(claim.true, abs=0.15)


def test_optimism_is_the_truth_less_what_is_stated() -> None:
    way = Way.of([Claim(stated=0.8, true=0.9), Claim(stated=0.9, true=0.9)])
    assert (way.stated, way.true) == pytest.approx((0.85, 0.9))
    assert way.optimism == pytest.approx(0.05)
    assert way.error == pytest.approx(0.05)


def test_a_spread_gives_the_same_report_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "SEARCHED", 10)
    first = reported_at(0.05, 3)
    assert first == reported_at(0.05, 3)
    assert 0 <= first.replaced <= 3
