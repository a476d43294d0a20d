"""The benchmark of tracking: what it measures, and that nothing in it is absurd."""

import subprocess
from collections.abc import Callable

import pytest

from benchmarks.tracking_cost import TrackingCost

SMALL = ("--pairs", "1", "--epochs", "7", "--trials", "3", "--stock-trials", "1")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(measured_by: Callable[..., TrackingCost]) -> TrackingCost:
    return measured_by("tracking_cost", *SMALL)


def test_training_is_timed_with_tracking_and_without(measured: TrackingCost) -> None:
    (pair,) = measured.pairs
    assert min(pair.off.epoch, pair.off.whole, pair.on.epoch, pair.on.whole) > 0
    assert measured.epoch_slower_by == pytest.approx(pair.on.epoch / pair.off.epoch - 1)
    assert measured.whole_slower_by == pytest.approx(pair.on.whole / pair.off.whole - 1)


def test_so_few_epochs_are_no_verdict(measured: TrackingCost) -> None:
    assert list(measured.met) == ["200 trials of 30 epochs in under 60 s"]


def test_telling_the_recorder_takes_a_fraction_of_recording(
    measured: TrackingCost,
) -> None:
    recording = measured.recording
    assert (recording.trials, recording.epochs) == (3, 30)
    assert 0 < recording.teller < recording.background
    assert recording.teller_ms_per_report == pytest.approx(1e3 * recording.teller / 90)
    assert measured.stock_ms_per_report > 0
    assert recording.megabytes > 0.1


def test_too_few_epochs_are_refused(
    run_benchmark: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = run_benchmark("tracking_cost", "--epochs", "2")
    assert done.returncode == 2
    assert "at least 3" in done.stderr
