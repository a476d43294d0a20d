"""The command line as a user runs it: what it prints, and one sentence for bad input."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlf.data import read_manifest
from dlf.data.__main__ import main
from dlf.data.location import synthesize
from tests.support.commands import Command, run_here


def run(*arguments: object) -> Command:
    return run_here(main, "dlf.data", *map(str, arguments))


def test_import_and_info(content: Any, feature_file: Callable[..., Path], tmp_path: Path) -> None:
    content["train"]["audio"][0, 0, 0] = np.nan
    content["valid"]["vision"][1] = 0
    content["train"]["regression_labels"] = [-3, 0.4, 0.6, 0.5]
    source = feature_file(content, protocol=2)
    done = run("import", "--dataset", "mosi", "--source", source, "--data-dir", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "mosi: train 4, valid 3, test 2 clips\n" in done.out
    assert "non-finite values replaced by zero: audio 1, vision 0\n" in done.out
    assert f"written to {tmp_path}/mosi, digest " in done.out

    next(tmp_path.rglob("test.arrow")).unlink()
    shown = run("info", "--dataset", "mosi", "--data-dir", tmp_path)
    assert (shown.code, shown.err) == (0, "")
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
        assert line in shown.out


def test_synthesize_and_info(tmp_path: Path) -> None:
    done = run("synthesize", "--data-dir", tmp_path, "--seed", 3)
    assert (done.code, done.err) == (0, "")
    shown = run("info", "--dataset", "synthetic", "--data-dir", tmp_path)
    assert "source      synthesized, seed 3, sha256 none\n" in shown.out


def test_a_file_is_imported_under_any_name(
    content: Any, feature_file: Callable[..., Path], tmp_path: Path
) -> None:
    source = feature_file(content)
    done = run("import", "--dataset", "ch-sims", "--source", source, "--data-dir", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "ch-sims: train 4, valid 3, test 2 clips\n" in done.out
    assert "searches begin with that for MOSI\n" in done.out
    shown = run("info", "--dataset", "ch-sims", "--data-dir", tmp_path)
    assert f"dataset     ch-sims in {tmp_path}/ch-sims\n" in shown.out


def test_synthesize_writes_a_feature_file_that_import_reads(tmp_path: Path) -> None:
    stored, source = tmp_path / "stored", tmp_path / "demo.pkl"
    written = run("synthesize", "--pickle", source, "--seed", 3, "--data-dir", stored)
    assert (written.code, written.out) == (0, f"written to {source}\n")
    assert not stored.exists()
    done = run("import", "--dataset", "demo", "--source", source, "--data-dir", stored)
    assert done.code == 0, done.err
    synthesize(stored, seed=3)
    demo, same = read_manifest("demo", stored), read_manifest("synthetic", stored)
    assert demo.digest == same.digest


IMPORT = ("import", "--dataset", "mosi", "--source")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: COMMAND"),
        (("export",), "synthesize"),
        (("info", "--dataset", "sims", "--data-dir", "nowhere"), "import --dataset sims --source"),
        (("info", "--dataset", "MOSI"), "'MOSI' is no name of a dataset, which has lower-case"),
        (("info", "--dataset", "../mosi"), "'../mosi' is no name of a dataset"),
        (("import", "--dataset", "-x", "--source", "x"), "--dataset"),
        (("synthesize", "--pickle", "."), ". is a folder; --pickle takes a file"),
        (("synthesize", "--pickle", "nowhere/demo.pkl"), "nowhere/demo.pkl cannot be written: No"),
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
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
