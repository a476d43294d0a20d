"""Which epochs of trials that train together are counted."""

import time
from collections.abc import Callable

import pytest

from benchmarks.same_trials import SameTrials
from dlf.training.training import EpochRecord

Record = Callable[..., EpochRecord]


def told(
    monkeypatch: pytest.MonkeyPatch, record_of_mae: Record, ends: list[tuple[int, float, float]]
) -> SameTrials:
    """Tell of the ends of epochs: the number of the trial, when it was, and the seconds it took."""
    source = SameTrials(2, 4)
    for number, at, seconds in ends:
        monkeypatch.setattr(time, "perf_counter", lambda at=at: at)
        record = record_of_mae(1, 0.9, 0.9)
        source.report(number, record.model_copy(update={"seconds": seconds}))
    return source


def test_epochs_count_while_all_trials_train(
    monkeypatch: pytest.MonkeyPatch, record_of_mae: Record
) -> None:
    late = [(0, 10.0, 9.0), (0, 12.0, 2.0), (0, 14.0, 2.1), (1, 15.0, 8.0), (0, 16.0, 2.2)]
    after = [(1, 17.0, 2.3), (0, 18.0, 2.4), (1, 19.0, 2.5), (1, 21.0, 1.0)]
    source = told(monkeypatch, record_of_mae, late + after)
    assert sorted(source.seconds()) == [2.2, 2.3, 2.4]
    assert source.epochs_per_second() == pytest.approx(3 / (18 - 15))


def test_trials_that_did_not_train_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, record_of_mae: Record
) -> None:
    ends = [(0, 1.0, 1.0), (0, 2.0, 1.0), (1, 2.0, 1.0), (1, 3.0, 1.0)]
    with pytest.raises(RuntimeError, match="give more --epochs"):
        told(monkeypatch, record_of_mae, ends).seconds()
