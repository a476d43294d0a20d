"""Where axes end, and which ticks they have."""

import numpy as np
import pytest

from tracking.figures.ticks import (
    MOST_TICKS,
    linear_range,
    linear_ticks,
    log_range,
    log_ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 11, [1, 2, 5, 10]),
        (0.13, 0.6, [0.2, 0.5]),
        (0.09, 12, [0.1, 0.3, 1, 3, 10]),
        (0.009, 120, [0.01, 0.1, 1, 10, 100]),
        (1e-6, 1e6, [1e-6, 1e-3, 1, 1e3, 1e6]),
    ],
)
def test_log_ticks(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.47, 1.62, [0.5, 1.0, 1.5]),
        (0.71, 0.79, [0.72, 0.74, 0.76, 0.78]),
        (-0.1, 1.1, [0, 0.5, 1]),
    ],
)
def test_linear_ticks(low: float, high: float, expected: list[float]) -> None:
    assert linear_ticks(low, high) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(1, 1, [1]), (1, 2, [1, 2]), (3, 7, [3, 4, 5, 6, 7])]
)
def test_epochs_are_whole(first: int, last: int, expected: list[float]) -> None:
    assert linear_ticks(first, last, whole=True) == expected


@pytest.mark.parametrize("last", [8, 30, 100, 1000])
def test_many_epochs_have_few_ticks(last: int) -> None:
    ticks = linear_ticks(1, last, whole=True)
    assert 2 <= len(ticks) <= MOST_TICKS
    assert all(tick == int(tick) for tick in ticks)


def test_ranges_hold_what_is_known() -> None:
    low, high = linear_range(np.array([np.nan, 0.5, 1.5, np.inf]))
    assert (low, high) == pytest.approx((0.44, 1.56))
    low, high = log_range(np.array([0.1, np.nan, 10]))
    assert 0.05 < low < 0.1 < 10 < high < 20
    low, high = log_range(np.array([5e-324, 1e-310]))
    assert 0 < low < high


@pytest.mark.parametrize("values", [[], [np.nan], [0.0], [0.7], [0.7, 0.7], [-2.0]])
def test_ranges_have_a_length(values: list[float]) -> None:
    low, high = linear_range(np.array(values, np.float64))
    assert low < high
