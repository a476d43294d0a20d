"""The benchmark of a training step: that it runs where little is installed, and what it tells."""

import subprocess
import sys

import pytest
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import train_step
from benchmarks.train_step import CLIPS, TOKENS_OF_MOSI, StepCost
from tests.support.commands import ROOT

SMALL = """
import sys
for name in ('pyarrow', 'yaml', 'transformers', 'ray', 'optuna', 'mlflow', 'pandas', 'sqlalchemy'):
    sys.modules[name] = None
from benchmarks import train_step
train_step.REPEATS, train_step.PIECE = 10, 2
train_step.CLIPS = {{"reference": 32, "masked": 64}}
sys.argv = ["train_step.py", "--rounds", "1", *{flags!r}]
train_step.main()
"""
MOST_OPERATORS = 10_000
"""per step; a sixth of what the released code calls"""


def run(*flags: str) -> str:
    code = SMALL.format(flags=list(flags))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


@pytest.fixture(scope="module")
def measured() -> StepCost:
    output = run("--json")
    assert output.count("\n") == 1
    return StepCost.model_validate_json(output)


@pytest.mark.slow
def test_all_kinds_of_work_are_measured(measured: StepCost) -> None:
    assert list(measured.paddings) == ["reference", "masked"]
    for cost in measured.paddings.values():
        for work in (cost.train, cost.eval):
            assert 0 < work.lowest <= work.equivalents <= work.highest
            assert work.times_less == pytest.approx(work.released / work.equivalents)


def test_masked_padding_multiplies_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_step, "CLIPS", {"reference": 128, "masked": 128})
    flops = {}
    for padding in ("reference", "masked"):
        piece = next(train_step.Subject(padding, "cpu").train())
        with FlopCounterMode(display=False) as counted:
            piece()
        flops[padding] = counted.get_total_flops()
    assert 0 < flops["masked"] < flops["reference"] / 2


@pytest.mark.slow
def test_a_step_is_few_operators(measured: StepCost) -> None:
    for cost in measured.paddings.values():
        assert 1000 < cost.operators < MOST_OPERATORS


@pytest.mark.slow
def test_the_shares_of_the_time_are_all_of_it(measured: StepCost) -> None:
    for cost in measured.paddings.values():
        assert sum(cost.shares.values()) == pytest.approx(1, abs=0.01)
        assert cost.shares["matrix products"] > 0.05


@pytest.mark.slow
def test_the_text_names_every_measurement_and_the_profile_the_operators() -> None:
    output = run("--profile")
    for line in ("matrix product 736 x 50 x 200", "reference train", "masked eval", "aten::bmm"):
        assert line in output


def test_there_are_as_many_lengths_as_clips_in_the_split() -> None:
    assert sum(TOKENS_OF_MOSI.values()) == CLIPS["masked"] == 1284
