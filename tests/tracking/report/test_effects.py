"""Effects that are there are found, and those that are not are not."""

from typing import Any

import numpy as np
import pytest

from tracking.report.effects import BLOCK, Effect, bins_of, effects_of, ranks, shuffles

TRIALS = 120


def effect_of(objective: Any, *, seed: int = 0, trials: int = TRIALS) -> Effect:
    """The effect of `weight` on an objective of it, with two other parameters beside it."""
    draw = np.random.default_rng(seed)
    rows = [
        {"weight": w, "other": o, "kind": "a" if w + o > 1 else "b"}
        for w, o in draw.random((trials, 2))
    ]
    reached = [objective(row) + 0.05 * draw.normal() for row in rows]
    return effects_of(["weight"], rows, reached)["weight"]


def test_a_trend_is_found_with_its_direction() -> None:
    rising = effect_of(lambda row: row["weight"])
    assert rising.has_trend
    assert rising.correlation is not None
    assert rising.correlation > 0.5
    falling = effect_of(lambda row: -row["weight"])
    assert falling.has_trend
    assert falling.correlation == pytest.approx(-rising.correlation, abs=0.1)


def test_a_valley_is_found_though_it_has_no_trend() -> None:
    valley = effect_of(lambda row: abs(row["weight"] - 0.5))
    assert valley.has_shape
    assert not valley.has_trend
    best = min(valley.bins, key=lambda each: each.median)
    assert best.low < 0.5 < best.high or abs(best.middle - 0.5) < 0.2


def test_an_effect_of_another_parameter_is_not_taken_for_one() -> None:
    """The two go together, as a sampler that has learnt draws them."""
    clear = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        other = draw.random(TRIALS)
        weight = np.clip(other + 0.2 * draw.normal(size=TRIALS), 0, 1)
        rows = [{"weight": w, "other": o} for w, o in zip(weight, other, strict=True)]
        found = effects_of(["weight"], rows, list(other + 0.05 * draw.normal(size=TRIALS)))
        clear += found["weight"].has_trend or found["weight"].has_shape
    assert clear <= 1


def test_an_effect_of_time_is_not_taken_for_one() -> None:
    """Later trials are better, and have other weights, for the sampler has moved there."""
    clear = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        late = np.arange(TRIALS) > TRIALS / 2
        weight = np.where(late, 0.8, 0.3) + 0.1 * draw.normal(size=TRIALS)
        reached = np.where(late, 0.7, 0.9) + 0.05 * draw.normal(size=TRIALS)
        found = effects_of(["weight"], [{"weight": w} for w in weight], list(reached))
        clear += found["weight"].has_trend or found["weight"].has_shape
    assert clear <= 1


def test_few_trials_tell_nothing() -> None:
    few = effect_of(lambda row: row["weight"], trials=19)
    assert (few.trials, few.needed, few.correlation) == (19, 20, None)
    many_parameters = [{f"p{i}": float(j * i % 7) for i in range(30)} for j in range(40)]
    found = effects_of(["p1"], many_parameters, [float(j) for j in range(40)])
    assert (found["p1"].needed, found["p1"].correlation) == (2 * 31, None)


def test_a_weight_that_hardly_exists_or_never_varies_tells_nothing() -> None:
    rows: list[dict[str, Any]] = [
        {"same": 0.1, "rare": 0.5} if i < 5 else {"same": 0.1} for i in range(60)
    ]
    found = effects_of(["same", "rare"], rows, [float(i) for i in range(60)])
    assert found["same"].correlation is None
    assert found["rare"].trials == 5


def test_zeros_are_a_bin_of_their_own() -> None:
    values = np.array([0.0] * 12 + list(np.linspace(0.1, 1, 40)))
    bins = bins_of(values, values)
    assert (bins[0].low, bins[0].high, bins[0].trials, bins[0].median) == (0, 0, 12, 0)
    assert [each.trials for each in bins[1:]] == [10, 10, 10, 10]


def test_each_of_a_few_values_is_a_bin_of_its_own() -> None:
    values = np.array([0.0, 0.01, 0.1] * 3)
    assert [each.middle for each in bins_of(values, values)] == [0.0, 0.01, 0.1]


def test_shuffles_keep_to_their_blocks() -> None:
    orders = shuffles(37, 50, np.random.default_rng(0))
    assert orders.shape == (50, 37)
    assert (orders // BLOCK == np.arange(37) // BLOCK).all()
    assert (np.sort(orders, axis=1) == np.arange(37)).all()
    assert len({tuple(order) for order in orders}) == 50


def test_equal_values_share_a_rank_and_ranks_are_about_zero() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, 9.0])) == pytest.approx([0, -0.375, 0, 0.375])
