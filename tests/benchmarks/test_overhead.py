"""The benchmark of the search's overhead: what it prints, and that nothing in it is absurd."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "overhead.py"
SMALL = (
    *("--rounds", "1", "--trials", "5", "--kinds", "ours"),
    *("--driver-trials", "40", "--ask-at", "20", "40"),
)


def run(*flags: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, *flags], capture_output=True, text=True)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    done = run("--json", *SMALL)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_json_has_what_was_measured(measured: dict[str, Any]) -> None:
    assert list(measured) == ["cpus", "load", "trial_seconds", "driver", "ask_ms", "met"]
    assert list(measured["trial_seconds"]) == ["ours"]
    assert list(measured["ask_ms"]) == ["20", "40"]
    assert len(measured["met"]) == 4
    assert len(measured["load"]) == 3


def test_workers_are_used_again(measured: dict[str, Any]) -> None:
    """A trial costs a fraction of what the start of a worker does."""
    cost = measured["trial_seconds"]["ours"]
    assert 0 < cost["trial"] < cost["start"] / 2


def test_the_driver_reports_every_epoch_of_some_trials_only(measured: dict[str, Any]) -> None:
    driver = measured["driver"]
    assert driver["trials"] == 40
    assert 40 * 3 <= driver["reports"] < 40 * 20
    assert driver["reports_per_second"] > 10
    assert driver["growth_mb"] < 50


def test_too_few_trials_are_refused() -> None:
    done = run("--trials", "2")
    assert done.returncode == 2
    assert "more than 2" in done.stderr
