"""Effects that are there are found, and those that are not are not."""

from typing import Any

import numpy as np
import pytest

from tracking.report.effects import (
    BLOCK,
    SHUFFLES,
    Effect,
    bins_of,
    effects_of,
    ranks,
    shuffles,
)

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


def test_no_effect_is_surer_than_there_are_shuffles() -> None:
    rising = effect_of(lambda row: row["weight"])
    assert rising.trend == rising.shape == 1 / (SHUFFLES + 1)
    assert effect_of(lambda _: 0.0, seed=1).trend > 0.05


@pytest.mark.parametrize(("share", "clear"), [(0.0025, True), (0.003, False)])
def test_an_effect_is_clear_by_half_of_what_chance_is_allowed(share: float, clear: bool) -> None:
    assert Effect(trials=100, needed=20, trend=share).has_trend is clear
    assert Effect(trials=100, needed=20, shape=share).has_shape is clear
    assert not Effect(trials=100, needed=20).has_trend
    assert not Effect(trials=100, needed=20).has_shape


def test_a_bin_has_the_quartiles_of_its_trials() -> None:
    values = np.array([1.0] * 5 + [2.0] * 5)
    first, second = bins_of(values, np.arange(10.0))
    assert (first.quartiles, first.median) == ((1, 3), 2)
    assert (second.quartiles, second.median) == ((6, 8), 7)


def test_an_objective_that_never_varies_goes_with_nothing() -> None:
    rows = [{"weight": float(i % 7)} for i in range(40)]
    found = effects_of(["weight"], rows, [0.7] * 40)["weight"]
    assert (found.correlation, found.trend) == (0, 1)


def test_a_parameter_of_some_trials_is_held_against_what_those_came_to() -> None:
    draw = np.random.default_rng(0)
    weights, noise = draw.random(TRIALS), draw.random(TRIALS)
    rows: list[dict[str, Any]] = [
        {"other": 0.5, "weight": w} if i % 2 else {"other": 0.5} for i, w in enumerate(weights)
    ]
    reached = [w if i % 2 else n for i, (w, n) in enumerate(zip(weights, noise, strict=True))]
    found = effects_of(["weight"], rows, reached)["weight"]
    assert found.trials == TRIALS // 2
    assert found.correlation == pytest.approx(1, abs=0.05)


def test_time_that_comes_and_goes_is_taken_out() -> None:
    """The middle trials are the best, and have other weights; within a time there is nothing."""
    middle = np.linspace(-1, 1, TRIALS) ** 2
    for seed in range(5):
        draw = np.random.default_rng(seed)
        weight, reached = (middle + 0.2 * draw.normal(size=TRIALS) for _ in range(2))
        found = effects_of(["weight"], [{"weight": w} for w in weight], list(reached))["weight"]
        assert found.correlation == pytest.approx(0, abs=0.2)


def test_what_another_parameter_explains_is_taken_out_on_any_scale() -> None:
    for seed in range(5):
        draw = np.random.default_rng(seed)
        common = draw.random(TRIALS)
        weight, reached = (common + 0.1 * draw.normal(size=TRIALS) for _ in range(2))
        rows = [
            {"weight": w, "other": float(np.exp(20 * c))}
            for w, c in zip(weight, common, strict=True)
        ]
        found = effects_of(["weight"], rows, list(reached))["weight"]
        assert found.correlation == pytest.approx(0, abs=0.25)


def test_a_value_at_the_border_of_two_bins_is_of_the_higher_one() -> None:
    values = np.arange(1.0, 22.0)
    assert [each.trials for each in bins_of(values, values)] == [10, 11]
