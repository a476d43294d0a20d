"""Where values stand on an axis."""

import math

import pytest

from tracking.report.axes import ZERO_GAP, axis_of, round_numbers, shown
from tracking.report.records import Parameter

WEIGHT = Parameter(name="lambda_r", low=0.01, high=1.0, log=True, paper=0.1)


def test_magnitudes_are_evenly_spread() -> None:
    axis = axis_of(WEIGHT, [0.02, 0.5])
    assert axis.share(0.01) == 0
    assert axis.share(0.1) == pytest.approx(0.5)
    assert axis.share(1.0) == 1
    assert [tick.text for tick in axis.ticks] == ["0.01", "0.03", "0.1", "0.3", "1"]


def test_zero_stands_below_the_smallest_magnitude() -> None:
    axis = axis_of(WEIGHT, [0.0, 0.5])
    assert axis.place(0.0) == pytest.approx(-2 - ZERO_GAP)
    assert axis.share(0.0) == 0
    assert axis.ticks[0].text == "0"
    assert axis_of(WEIGHT, [0.5]).place(0.0) is None


def test_a_zero_is_no_trouble_where_everything_is_zero() -> None:
    axis = axis_of(Parameter(name="x", log=True), [0.0, 0.0])
    assert axis.share(0.0) == 0


def test_the_papers_value_has_a_place_outside_of_the_range() -> None:
    axis = axis_of(Parameter(name="rate", low=1.0, high=2.0, paper=5.0), [1.5])
    assert (axis.low, axis.high) == (1.0, 5.0)
    assert axis.share(5.0) == 1


def test_choices_stand_in_their_order_and_strangers_behind_them() -> None:
    optimizer = Parameter(name="optimizer", choices=("sgd", "adam"), paper="rmsprop")
    axis = axis_of(optimizer, ["adam"])
    assert [axis.place(each) for each in ("sgd", "adam", "rmsprop")] == [0, 1, 2]
    assert axis.place("unheard of") is None
    assert all(0 < (axis.share(each) or 0) < 1 for each in axis.order)


def test_what_is_no_number_has_no_place() -> None:
    axis = axis_of(Parameter(name="x", low=0.0, high=1.0), [math.nan, 0.5, math.inf])
    assert (axis.low, axis.high) == (0, 1)
    assert axis.place(math.nan) is None
    assert axis.place("word") is None


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
@pytest.mark.parametrize("log", [True, False])
def test_a_single_value_still_makes_an_axis(value: float, log: bool) -> None:
    axis = axis_of(Parameter(name="x"), [value], log=log)
    assert axis.low < axis.high
    assert axis.ticks


@pytest.mark.parametrize(
    ("low", "high", "whole", "numbers"),
    [
        (0.0, 1.0, False, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1, 3, True, [1, 2, 3]),
        (8, 64, True, [20, 40, 60]),
        (-0.05, 0.05, False, [-0.04, -0.02, 0, 0.02, 0.04]),
    ],
)
def test_ticks_are_round(low: float, high: float, whole: bool, numbers: list[float]) -> None:
    assert round_numbers(low, high, whole=whole) == pytest.approx(numbers)


def test_values_are_shown_briefly() -> None:
    told = [shown(value) for value in (0.123456, 1e-5, 12, True, "adam", 2.0)]
    assert told == ["0.1235", "1e-05", "12", "true", "adam", "2"]
