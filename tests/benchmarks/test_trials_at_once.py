"""The benchmark of trials at once: what it measures on little data, and its table."""

import subprocess
from collections.abc import Callable

import pytest
import torch

from benchmarks.trials_at_once import Throughput, TrialsAtOnce, median

LITTLE = ("--clips", "64", "--epochs", "6", "--rounds", "1")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_what_is_measured(measured_by: Callable[..., TrialsAtOnce]) -> None:
    measured = measured_by("trials_at_once", "--at-once", "1", "2", *LITTLE)
    assert (measured.device, measured.clips, measured.rounds) == ("cpu", 64, 1)
    alone, two = measured.throughput
    assert (alone.at_once, two.at_once) == (1, 2)
    for each in (alone, two):
        assert each.clips_per_second == pytest.approx(64 * each.epochs_per_minute / 60)
        assert 0.1 < each.epochs_per_minute < 10_000
        assert 100 < each.megabytes < 4000


def throughput(at_once: int, clips_per_second: float) -> Throughput:
    return Throughput(
        at_once=at_once, epochs_per_minute=1, clips_per_second=clips_per_second, megabytes=700
    )


def test_the_table_holds_all_against_the_fewest() -> None:
    found = [throughput(1, 200), throughput(2, 300)]
    measured = TrialsAtOnce(device="cpu", clips=64, rounds=1, throughput=found)
    heading, line, alone, two = measured.lines()
    assert heading.count("|") == line.count("|") == alone.count("|") == two.count("|") == 6
    assert alone == "| 1 | 1.0 | 200 | 1.00 | 700 MB |"
    assert "| 1.50 |" in two


def test_the_median_of_two_rounds_is_the_lower_one() -> None:
    low, middle, high = (throughput(1, rate) for rate in (1, 2, 3))
    assert median([high, low, middle]) == middle
    assert median([high, low]) == low


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is at hand")
def test_without_a_gpu_it_says_so(run_benchmark: Run) -> None:
    done = run_benchmark("trials_at_once", "--device", "cuda")
    assert done.returncode == 2
    assert "there is no GPU that torch can use" in done.stderr
