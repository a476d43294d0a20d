"""The benchmark of the search's overhead: what it measures, and that nothing in it is absurd."""

import subprocess
from collections.abc import Callable

import pytest

from benchmarks.overhead import Overhead

SMALL = (
    *("--rounds", "1", "--trials", "5", "--kinds", "ours"),
    *("--driver-trials", "40", "--ask-at", "20", "40"),
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(measured_by: Callable[..., Overhead]) -> Overhead:
    return measured_by("overhead", *SMALL)


def test_the_record_has_what_was_asked_for(measured: Overhead) -> None:
    assert list(measured.trial_seconds) == ["ours"]
    assert measured.trials == {"ours": 5}
    assert list(measured.driver.ask_ms) == [20, 40]
    assert len(measured.met) == 4


def test_workers_are_used_again(measured: Overhead) -> None:
    """A trial costs a fraction of what the start of a worker does."""
    cost = measured.trial_seconds["ours"]
    assert 0 < cost.trial < cost.start / 2


def test_the_driver_reports_every_epoch_of_some_trials_only(measured: Overhead) -> None:
    driver = measured.driver
    assert driver.trials == 40
    assert 40 * 3 <= driver.reports < 40 * 20
    assert driver.reports_per_second > 10
    assert driver.growth_mb < 50


def test_too_few_trials_are_refused(
    run_benchmark: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = run_benchmark("overhead", "--trials", "2")
    assert done.returncode == 2
    assert "more than 2" in done.stderr
