"""The confusion matrix: its counts, and a figure that shows them and nothing from before."""

import numpy as np
import pytest

from dlf.metrics import compute_metrics
from tests.support.pictures import pixels_of
from tracking.figures.class_accuracy import class_accuracies, class_accuracy
from tracking.figures.confusion import ConfusionMatrix, Floats, confusion_counts, row_shares

LABELS = np.array([-3, -3, -1.2, 0, 0.4, 0.5, 1.6, 3, 3], np.float32)
PREDICTIONS = np.array([-7, -2.4, -1.5, 0.5, -0.6, 1.5, 1.4, 2.51, 99], np.float32)
COUNTS = {(-3, -3): 1, (-3, -2): 1, (-1, -2): 1, (0, 0): 1, (0, -1): 1, (0, 2): 1, (2, 1): 1}
COUNTS |= {(3, 3): 2}


def planted(true: int, predicted: int, clips: int) -> tuple[Floats, Floats]:
    return np.full(clips, true, np.float32), np.full(clips, predicted, np.float32)


def test_counts() -> None:
    counts = confusion_counts(LABELS, PREDICTIONS)
    assert counts.shape == (7, 7)
    found = {(r - 3, c - 3): int(counts[r, c]) for r, c in zip(*np.nonzero(counts), strict=True)}
    assert found == COUNTS
    accuracy = compute_metrics(PREDICTIONS, LABELS).acc7
    assert np.trace(counts) / counts.sum() == pytest.approx(accuracy)


def test_a_prediction_that_is_no_number_is_left_out() -> None:
    counts = confusion_counts(LABELS, np.where(LABELS == 3, np.nan, PREDICTIONS))
    assert counts.sum() == 7
    assert not counts[6].any()


def test_shares_are_of_the_true_class() -> None:
    shares = row_shares(confusion_counts(LABELS, PREDICTIONS))
    assert shares[0, :2].tolist() == [0.5, 0.5]
    assert shares.sum(axis=1).tolist() == pytest.approx([1, 0, 1, 1, 0, 1, 1])


def test_accuracy_of_a_class() -> None:
    found = class_accuracies(confusion_counts(LABELS, PREDICTIONS))
    np.testing.assert_allclose(found, [1 / 2, np.nan, 0, 1 / 3, np.nan, 0, 1])


def test_cells_lie_at_their_true_row_and_predicted_column() -> None:
    labels, predictions = planted(2, -1, 30)
    pixels = pixels_of(ConfusionMatrix().png(labels, predictions))
    height, width, _ = pixels.shape
    dark = np.argwhere(np.abs(pixels - [8, 48, 107]).max(axis=2) < 30)
    dark = dark[dark[:, 1] < 0.8 * width]
    row, column = np.median(dark, axis=0)
    # the matrix takes 0.12 to 0.80 of the width, and 0.10 to 0.88 of the height
    assert int((row / height - 0.1) / 0.78 * 7) == 2 + 3
    assert int((column / width - 0.12) / 0.68 * 7) == -1 + 3
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    cell = pixels[top:bottom, left:right]
    assert (cell.min(axis=2) > 230).any(), "its number is white"


def test_one_model_after_another() -> None:
    figure = ConfusionMatrix()
    first = figure.png(LABELS, PREDICTIONS)
    other = figure.png(*planted(0, 1, 1234))
    assert first != other
    assert figure.png(LABELS, PREDICTIONS) == first
    assert ConfusionMatrix().png(*planted(0, 1, 1234)) == other


def test_light_enough() -> None:
    random = np.random.default_rng(0)
    labels, predictions = random.normal(scale=2, size=(2, 2000)).astype(np.float32)
    assert len(ConfusionMatrix().png(labels, predictions)) < 25_000


@pytest.mark.parametrize("clips", [0, 1, 9])
def test_figure_of_the_final_model(clips: int) -> None:
    png = class_accuracy(LABELS[:clips], PREDICTIONS[:clips])
    assert pixels_of(png).shape == (440, 960, 3)
    assert png == class_accuracy(LABELS[:clips], PREDICTIONS[:clips])
