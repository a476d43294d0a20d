"""The command line as a user runs it: what it prints, and one sentence for bad input."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dlf.data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_import_and_info(content: Any, feature_file: Callable[..., Path], tmp_path: Path) -> None:
    content["train"]["audio"][0, 0, 0] = np.nan
    content["valid"]["vision"][1] = 0
    content["train"]["regression_labels"] = [-3, 0.4, 0.6, 0.5]
    source = feature_file(content, protocol=2)
    done = run("import", "--dataset", "mosi", "--source", source, "--data-dir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mosi: train 4, valid 3, test 2 clips\n" in done.stdout
    assert "non-finite values replaced by zero: audio 1, vision 0\n" in done.stdout
    assert f"written to {tmp_path}/mosi, digest " in done.stdout

    next(tmp_path.rglob("test.arrow")).unlink()
    shown = run("info", "--dataset", "mosi", "--data-dir", tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    for line in (
        "clips       train 4, valid 3, test 2\n",
        "widths      text 6, audio 5, vision 4\n",
        "text        one step per token\n",
        "non-finite  audio 1, vision 0, replaced by zero\n",
        "  vision  steps min 1, median 5, 90% up to 8.2, max 9; absent in 1 clips\n",
        "  -3       1  ####################\n",
        "  +0       2  ########################################\n",
        "  +2       0\n",
    ):
        assert line in shown.stdout


def test_synthesize_and_info(tmp_path: Path) -> None:
    done = run("synthesize", "--data-dir", tmp_path, "--seed", 3)
    assert (done.returncode, done.stderr) == (0, "")
    shown = run("info", "--dataset", "synthetic", "--data-dir", tmp_path)
    assert "source      synthesized, seed 3, sha256 none\n" in shown.stdout


IMPORT = ("import", "--dataset", "mosi", "--source")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: COMMAND"),
        (("export",), "synthesize"),
        (("info", "--dataset", "sims"), "mosei"),
        (("info", "--dataset", "mosi", "--data-dir", "nowhere"), "python -m dlf.data import"),
        (("info", "--dataset", "synthetic", "--data-dir", "nowhere"), "dlf.data synthesize"),
        (("import", "--dataset", "synthetic", "--source", "x"), "mosei"),
        ((*IMPORT, "nowhere.pkl"), "nowhere.pkl cannot be read: No such file"),
        ((*IMPORT, "."), "cannot be read: Is a directory"),
        ((*IMPORT, "pyproject.toml"), "pyproject.toml is not a complete pickle file"),
        (("synthesize", "--seed", "-1"), "'-1' is not a whole number from 0"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(arguments: tuple[str, ...], words: str) -> None:
    assert_refused(run(*arguments), words)


def test_a_misfit_names_the_file(
    content: Any, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    content["valid"]["audio"] = content["valid"]["audio"][..., :4]
    done = run(*IMPORT, feature_file(content), "--data-dir", tmp_path)
    assert_refused(
        done,
        "aligned_50.pkl cannot be used: valid/audio has width 4 where train/audio has 5",
    )


def assert_refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
