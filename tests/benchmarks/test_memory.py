"""The memory benchmark: what it makes, and what it counts as memory of the dataset."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.memory import CLIPS, SIZES, STEPS, Growth, growths, make_data
from benchmarks.process_memory import memory_of
from dlf.data import open_split, read_manifest


def test_the_data_is_mosei_in_small(tmp_path: Path) -> None:
    valid = round(300 * CLIPS["valid"] / CLIPS["train"])
    test = round(300 * CLIPS["test"] / CLIPS["train"])
    assert make_data(tmp_path, 300) == 300 + valid + test
    clips = read_manifest("mosei", tmp_path).clips
    assert (clips.train, clips.valid, clips.test) == (300, valid, test)
    train = open_split("mosei", tmp_path, "train")
    assert train.text.values.shape == (300 * STEPS, SIZES.widths.text)
    assert set(train.audio.lengths) == {STEPS}


def test_pages_of_the_dataset_are_counted_apart(tmp_path: Path) -> None:
    make_data(tmp_path, 300)
    before = memory_of(os.getpid(), tmp_path)
    assert (before.dataset, before.workers) == (0, 0)
    assert before.own > 50 << 20
    train = open_split("mosei", tmp_path, "train")
    assert float(train.text.values.sum()) != 0
    after = memory_of(os.getpid(), tmp_path)
    assert 0.9 * train.text.values.nbytes < after.dataset
    # What other processes share with this one counts more here when they end.
    assert after.own - before.own < 0.9 * train.text.values.nbytes


def test_a_search_that_ends_too_early_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(search: "subprocess.Popen[bytes]", *_: object) -> None:
        search.wait(timeout=60)
        raise RuntimeError("the search ended")

    monkeypatch.setattr(memory, "PROJECT", tmp_path)
    monkeypatch.setattr(memory, "_when_settled", ended)
    with pytest.raises(RuntimeError, match="the search ended"):
        memory.memory_of_search(tmp_path, 1)


def test_the_growth_of_every_step_is_told_and_held_against_what_is_required() -> None:
    found = growths({1: 1_000_000_000, 2: 1_400_000_000, 4: 2_480_000_000})
    assert [(g.fewer, g.more, g.mb_per_trial, g.within) for g in found] == [
        (1, 2, 400, True),
        (2, 4, 540, False),
        (1, 4, 1480 / 3, True),
    ]
    assert [str(growth) for growth in found] == [
        "from 1 to 2, each further trial: 381 MiB (400 MB), within the 500 MB required",
        "from 2 to 4, each further trial: 515 MiB (540 MB), NOT within the 500 MB required",
        "from 1 to 4, each further trial: 470 MiB (493 MB), within the 500 MB required",
    ]
    assert Growth(fewer=1, more=2, mb_per_trial=500).within
