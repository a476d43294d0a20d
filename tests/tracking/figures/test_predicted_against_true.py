"""Predictions against the truth: every clip is a point, wherever it lies."""

import numpy as np
import pytest

from tests.support.pictures import count_of, pixels_of
from tracking.figures.predicted_against_true import Floats, PredictedAgainstTrue

POINT = "#8CC0DC"
"""the blue of one point, which lets white through"""


def some(clips: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng(0)
    labels = (np.clip(random.normal(scale=1.5, size=clips), -3, 3) * 5).round() / 5
    return labels.astype(np.float32), (labels + random.normal(size=clips)).astype(np.float32)


def test_one_model_after_another() -> None:
    figure = PredictedAgainstTrue()
    first = figure.png(*some(200))
    other = figure.png(*some(12))
    assert figure.png(*some(200)) == first != other
    assert PredictedAgainstTrue().png(*some(12)) == other


def test_a_point_lies_at_its_true_and_predicted_sentiment() -> None:
    one = np.ones(1, np.float32)
    pixels = pixels_of(PredictedAgainstTrue().png(-2 * one, 3 * one))
    height, width, _ = pixels.shape
    rows, columns = np.nonzero((np.abs(pixels - [140, 192, 220]) < 20).all(axis=2))
    # the axes take 0.12 to 0.96 of the width, and 0.08 to 0.89 of the height
    assert np.median(columns) / width == pytest.approx(0.12 + 0.84 * (3.3 - 2) / 6.6, abs=0.01)
    assert np.median(rows) / height == pytest.approx(0.08 + 0.81 * (4 - 3) / 8, abs=0.01)


def test_a_prediction_beyond_the_axes_is_still_seen() -> None:
    figure = PredictedAgainstTrue()
    one = np.ones(1, np.float32)
    inside, beyond = (figure.png(one, value * one) for value in (-2.5, -1e6))
    assert count_of(beyond, POINT) > 0.5 * count_of(inside, POINT) > 0


def test_light_enough() -> None:
    assert len(PredictedAgainstTrue().png(*some(1900))) < 25_000
