"""The benchmark of a training step: that it runs where little is installed, and what it prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "train_step.py"
SMALL = """
import runpy, sys
for name in ('pyarrow', 'yaml', 'transformers', 'ray', 'optuna', 'mlflow', 'pandas', 'sqlalchemy'):
    sys.modules[name] = None
sys.path.insert(0, {folder!r})
import train_step
train_step.ROUNDS, train_step.REPEATS, train_step.PIECE = 1, 10, 2
train_step.CLIPS = {{"reference": 32, "masked": 64}}
sys.argv = ["train_step.py", *{flags!r}]
train_step.main()
"""
MOST_OPERATORS = 10_000
"""per step; a sixth of what the released code calls"""


def run(*flags: str) -> str:
    code = SMALL.format(folder=str(SCRIPT.parent), flags=list(flags))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SCRIPT.parent
    )
    return done.stdout


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, float]]:
    output = run("--json")
    assert output.count("\n") == 1
    return json.loads(output)


def test_the_json_has_what_was_measured(measured: dict[str, dict[str, float]]) -> None:
    assert list(measured) == ["gemm_gflops", "reference", "masked"]
    for padding in ("reference", "masked"):
        assert list(measured[padding]) == ["train", "eval", "operators"]
        assert min(measured[padding].values()) > 0


def test_masked_padding_is_cheaper(measured: dict[str, dict[str, float]]) -> None:
    assert measured["masked"]["train"] < measured["reference"]["train"] / 1.5


def test_a_step_is_few_operators(measured: dict[str, dict[str, float]]) -> None:
    for padding in ("reference", "masked"):
        assert 1000 < measured[padding]["operators"] < MOST_OPERATORS


def test_the_text_names_every_measurement_and_the_profile_the_operators() -> None:
    output = run("--profile")
    for line in ("matrix product 736 x 50 x 200", "reference train", "masked eval", "aten::bmm"):
        assert line in output


def test_there_are_as_many_lengths_as_clips_in_the_split() -> None:
    code = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import train_step as t;"
    code += "print(sum(t.TOKENS_OF_MOSI.values()), t.CLIPS['masked'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1284", "1284"]
