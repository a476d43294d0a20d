"""The benchmark of promotions' rules: what it counts, and that it runs."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.promotion_world import FINALISTS, SEEDS, World, race, replaces_paper
from search.seeded.comparison import Comparison, compare
from search.study.identity import PAPER_TRIAL
from tests.support.commands import ROOT


def test_what_is_far_worse_is_dropped_early_and_saves_its_further_seeds() -> None:
    raced = race(World(np.random.default_rng(0), better={5: -1.0}))
    assert raced.dropped[5] < SEEDS
    assert raced.trainings < (1 + FINALISTS) * SEEDS
    assert raced.candidate not in raced.dropped


def test_a_long_search_finds_finalists_that_look_better_than_they_are() -> None:
    rng = np.random.default_rng(0)
    lucky = [World(rng, searched=200).effects for _ in range(10)]
    gap = np.mean([of[PAPER_TRIAL].mean() - of[1:].mean() for of in lucky])
    assert gap > 0.02


def test_the_race_decides_with_a_refit_and_further_seeds_without() -> None:
    asked: list[Comparison] = []

    def judge(comparison: Comparison) -> bool:
        asked.append(comparison)
        return True

    def world() -> World:
        return World(np.random.default_rng(3), better={2: 0.5})

    for refit in (True, False):
        assert replaces_paper(world(), judge, refit=refit)
    of_race, of_further_seeds = asked
    errors = race(world()).errors
    raced = [np.stack(list(errors[number].values())) for number in (2, PAPER_TRIAL)]
    assert of_race == compare(*raced) != of_further_seeds
    assert of_race.seeds == of_further_seeds.seeds == SEEDS


def test_it_prints_every_rate(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "promotion_rates.py"
    done = subprocess.run(
        [sys.executable, script, "--replicates", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 15
    assert lines[0].endswith(" of 1")
