"""The metrics, against numbers worked by hand and against scikit-learn and numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from dlf.metrics import Metrics, compute_metrics, sentiment_class


def of(predictions: list[float], labels: list[float]) -> Metrics:
    return compute_metrics(np.array(predictions, np.float32), np.array(labels, np.float32))


def test_hand_worked() -> None:
    predictions = [2.6, -0.4, 0.2, -2.0, 1.4, -3.7]
    labels = [3.0, 0.6, 0.0, -2.6, 1.0, -2.0]
    metrics = of(predictions, labels)
    assert metrics.mae == pytest.approx((0.4 + 1.0 + 0.2 + 0.6 + 0.4 + 1.7) / 6)
    # classes 3 0 0 -2 1 -3 against 3 1 0 -3 1 -2
    assert metrics.acc7 == pytest.approx(3 / 6)
    # classes 2 0 0 -2 1 -2 against 2 1 0 -2 1 -2
    assert metrics.acc5 == pytest.approx(5 / 6)
    # the third label is 0; + - - + - against + + - + -
    assert metrics.acc2 == pytest.approx(4 / 5)
    # positive: 2 * 2 / (3 + 2), three times; negative: 2 * 2 / (2 + 3), twice
    assert metrics.f1 == pytest.approx((3 * 0.8 + 2 * 0.8) / 5)


SENTIMENTS = st.one_of(
    st.sampled_from([-3.0, -2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.0]), st.floats(-4, 4, width=32)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(SENTIMENTS, SENTIMENTS), min_size=1, max_size=30))
def test_agrees_with_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predictions, labels = np.array(pairs, np.float32).T
    metrics = compute_metrics(predictions, labels)
    for accuracy, bound in ((metrics.acc7, 3), (metrics.acc5, 2)):
        classes = [np.rint(np.clip(x, -bound, bound)).astype(int) for x in (labels, predictions)]
        assert accuracy == pytest.approx(accuracy_score(*classes))
    signs = (labels[labels != 0] > 0, predictions[labels != 0] > 0)
    if len(signs[0]):
        assert metrics.acc2 == pytest.approx(accuracy_score(*signs))
        assert metrics.f1 == pytest.approx(
            f1_score(*signs, average="weighted", zero_division=0), abs=1e-12
        )
    else:
        assert metrics.acc2 == metrics.f1 == 0


@pytest.mark.parametrize("seed", range(3))
def test_correlation_is_pearsons(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.uniform(-3, 3, 50).astype(np.float32)
    predictions = (100 + 0.01 * labels + random.normal(0, 0.01, 50)).astype(np.float32)
    expected = np.corrcoef(predictions.astype(np.float64), labels.astype(np.float64))[0, 1]
    assert compute_metrics(predictions, labels).corr == pytest.approx(expected, abs=1e-6)
    assert compute_metrics(-predictions, labels).corr == pytest.approx(-expected, abs=1e-6)
    close = (1e-4 * labels).astype(np.float32)
    assert compute_metrics(close, labels).corr == pytest.approx(1, abs=1e-6)


def test_halves_go_to_even_and_ends_are_clipped() -> None:
    values = np.array([-3.6, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 9.0], np.float32)
    assert sentiment_class(values, 3).tolist() == [-3, -2, -2, 0, 0, 2, 2, 3]
    assert sentiment_class(values, 2).tolist() == [-2, -2, -2, 0, 0, 2, 2, 2]
    assert sentiment_class(np.array([-2.6, 2.6], np.float32), 3).tolist() == [-3, 3]


def test_the_sign_leaves_out_labels_of_zero() -> None:
    assert of([1.0, -1.0, 5.0, -5.0], [2.0, -2.0, 0.0, 0.0]).acc2 == 1
    assert of([1.0, -1.0, 5.0, -5.0], [2.0, -2.0, 0.0, 0.0]).f1 == 1
    only_zero = of([1.0, -1.0], [0.0, 0.0])
    assert (only_zero.acc2, only_zero.f1) == (0, 0)


def test_a_prediction_of_zero_is_not_positive() -> None:
    assert of([0.0, 0.0], [1.0, -1.0]).acc2 == 0.5


@settings(max_examples=100, deadline=None)
@given(constant=st.floats(-3, 3, width=32), clips=st.integers(1, 300))
def test_what_does_not_vary_has_no_correlation(constant: float, clips: int) -> None:
    varying = np.linspace(-3, 3, clips, dtype=np.float32)
    constants = np.full(clips, constant, np.float32)
    assert compute_metrics(constants, varying).corr == 0
    assert compute_metrics(varying, constants).corr == 0


def test_names() -> None:
    metrics = of([1.0, -1.0], [2.0, -2.0])
    assert set(metrics.named("valid")) == {
        f"valid/{name}" for name in ("mae", "corr", "acc7", "acc5", "acc2", "f1")
    }
    assert metrics.named("valid")["valid/mae"] == 1
