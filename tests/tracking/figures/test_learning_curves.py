"""Learning curves: of any number of epochs, of any of the recorded names, of any values."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.support.pictures import count_of, pixels_of
from tracking.figures.learning_curves import ERRORS, LOSSES, LearningCurves, drawable
from tracking.figures.sheet import BLUE, GREEN, ORANGE

NAN, INF = math.nan, math.inf
NAMES = (*ERRORS, *LOSSES)


def falling(epochs: int, names: Sequence[str] = NAMES) -> dict[str, list[float]]:
    return {
        name: [(2 + place) / (1 + epoch) for epoch in range(epochs)]
        for place, name in enumerate(names)
    }


class TestDrawable:
    def test_known_names_in_their_order(self) -> None:
        curves = falling(3, ["loss/task", "valid/acc2", "train/mae", "valid/mae"])
        assert list(drawable(curves, [1, 2, 3])) == ["train/mae", "valid/mae", "loss/task"]

    def test_what_cannot_be_drawn_is_a_gap(self) -> None:
        curves = {"valid/mae": [1.0, NAN, INF, 0.0], "loss/margin": [2.0, 0.0, -1.0, NAN]}
        found = drawable(curves, [1, 2, 3, 4])
        np.testing.assert_array_equal(found["valid/mae"], [1, NAN, NAN, 0])
        np.testing.assert_array_equal(found["loss/margin"], [2, NAN, NAN, NAN])

    @pytest.mark.parametrize(
        ("name", "value"), [("valid/mae", NAN), ("loss/margin", 0.0), ("loss/task", INF)]
    )
    def test_a_curve_of_nothing_but_gaps_is_left_out(self, name: str, value: float) -> None:
        assert not drawable({name: [value, value]}, [1, 2])

    def test_a_curve_of_another_length_is_refused(self) -> None:
        with pytest.raises(ValueError, match="valid/mae has 2 values for 3 epochs"):
            drawable({"valid/mae": [1.0, 2.0]}, [1, 2, 3])


@pytest.mark.parametrize("epochs", [1, 2, 30, 300])
def test_every_curve_is_drawn(epochs: int) -> None:
    png = LearningCurves().png(falling(epochs), range(1, epochs + 1), best_epoch=epochs)
    few = LearningCurves().png({"valid/mae": [1.0] * epochs}, range(1, epochs + 1), 1)
    assert pixels_of(png).shape == (460, 600, 3)
    for colour in (GREEN, ORANGE):
        assert count_of(png, colour) > count_of(few, colour)
    assert len(png) < 25_000


@pytest.mark.parametrize(
    "curves",
    [
        {},
        {"valid/mae": [NAN, NAN, NAN]},
        {"valid/mae": [NAN, 0.7, NAN], "loss/total": [INF, 1e30, NAN]},
        {"valid/mae": [0.7, 0.7, 0.7], "loss/total": [1e-30, 1.0, 1e30]},
        {"valid/mae": [0.0, 0.0, 0.0], "loss/total": [5e-324, 5e-324, 5e-324]},
        {"train/mae": [1e30, -1e30, 0.0]},
        {"loss/margin": [0.0, 0.0, 0.0]},
    ],
)
def test_odd_curves(curves: Mapping[str, Sequence[float]]) -> None:
    assert pixels_of(LearningCurves().png(curves, [1, 2, 3], best_epoch=2)).size


def test_ticks_are_marked_and_numbered() -> None:
    pixels = pixels_of(LearningCurves().png(falling(6), range(1, 7), best_epoch=2))
    inked = pixels.min(axis=2) < 200
    # the axes begin at column 66; below them, at row 405, is the axis of the epochs
    for place, most in ((inked[:, 62:65].any(axis=1), 40), (inked[407:409].any(axis=0), 30)):
        assert 6 <= place.sum() <= most
    assert inked[:, 35:60].any(axis=1).sum() > 6 * 8
    assert inked[412:424, 66:450].any(axis=0).sum() > 6 * 4


def test_epochs_that_began_late() -> None:
    """Of a trial that goes on, or whose journal was cut."""
    assert pixels_of(LearningCurves().png(falling(3), [5, 6, 9], best_epoch=1)).size


def test_one_training_after_another() -> None:
    figure = LearningCurves()
    trainings: list[tuple[dict[str, list[float]], range, int]] = [
        (falling(12), range(1, 13), 3),
        (falling(2), range(1, 3), 2),
        (falling(60, ["valid/mae", "loss/task"]), range(1, 61), 60),
        (falling(12, NAMES[:3]), range(1, 13), 4),
    ]
    pngs = [figure.png(*training) for training in trainings]
    assert len(set(pngs)) == len(pngs)
    for training, png in zip(trainings, pngs, strict=True):
        assert figure.png(*training) == png
        assert LearningCurves().png(*training) == png


def test_a_lower_curve_lies_lower() -> None:
    figure = LearningCurves()

    def middle_of_blue(values: list[float]) -> float:
        curves = {"train/mae": [0.0, 1.0, 0.0], "valid/mae": values}
        pixels = pixels_of(figure.png(curves, [1, 2, 3], best_epoch=1))[:, :440]
        wanted = [int(BLUE[i : i + 2], 16) for i in (1, 3, 5)]
        rows, _ = np.nonzero((np.abs(pixels - wanted) < 30).all(axis=2))
        return float(np.median(rows))

    assert middle_of_blue([0.2] * 3) > 40 + middle_of_blue([0.8] * 3)


def test_on_other_threads_it_is_the_same() -> None:
    def drawn(epochs: int) -> bytes:
        return LearningCurves().png(falling(epochs), range(1, epochs + 1), 1)

    numbers = [3, 9, 20, 60] * 3
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(drawn, numbers)) == [drawn(number) for number in numbers]
