"""The benchmark of trials at once: what it prints, on little data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "trials_at_once.py"
LITTLE = ("--clips", "64", "--epochs", "3", "--rounds", "1")

pytestmark = pytest.mark.slow


def run(*flags: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, *flags], capture_output=True, text=True)


def test_what_is_measured() -> None:
    done = run("--json", "--at-once", "1", "2", *LITTLE)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["device"] == "cpu"
    alone, two = measured["throughput"]
    assert (alone["at_once"], two["at_once"]) == (1, 2)
    for each in (alone, two):
        assert each["clips_per_second"] == pytest.approx(64 * each["epochs_per_minute"] / 60)
        assert 0.1 < each["epochs_per_minute"] < 10_000
        assert 100 < each["megabytes"] < 4000


def test_the_table() -> None:
    done = run("--at-once", "1", *LITTLE)
    assert done.returncode == 0, done.stderr
    *_, heading, line, row = done.stdout.splitlines()
    assert heading.count("|") == line.count("|") == row.count("|") == 6
    assert row.startswith("| 1 |")
    assert "| 1.00 |" in row


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is at hand")
def test_without_a_gpu_it_says_so() -> None:
    done = run("--device", "cuda")
    assert done.returncode == 2
    assert "there is no GPU that torch can use" in done.stderr
