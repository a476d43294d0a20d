"""The benchmark of tracking: what it prints, and that nothing in it is absurd."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tracking_cost.py"


def run(*flags: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, *flags], capture_output=True, text=True)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    small = ("--pairs", "1", "--epochs", "2", "--trials", "3", "--stock-trials", "1")
    done = run("--json", *small)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_training_is_timed_with_tracking_and_without(measured: dict[str, Any]) -> None:
    ((off, on),) = measured["epoch_seconds"]
    assert measured["epoch_slower_by"] == [pytest.approx(on / off - 1)]
    assert off > 0
    assert len(measured["whole_slower_by"]) == 1


def test_telling_the_recorder_takes_a_fraction_of_recording_and_of_the_stock_callback(
    measured: dict[str, Any],
) -> None:
    recording, reports = measured["recording"], 3 * 30
    assert recording["trials"] == 3
    assert 0 < recording["teller"] < recording["background"]
    assert recording["teller"] / reports < measured["stock_seconds_per_report"]
    assert recording["megabytes"] > 0.1


def test_too_few_epochs_are_refused() -> None:
    done = run("--epochs", "1")
    assert done.returncode == 2
    assert "at least 2" in done.stderr
