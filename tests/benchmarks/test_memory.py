"""The memory benchmark: what it makes, and what it counts as memory of the dataset."""

import os
from pathlib import Path

from benchmarks.memory import CLIPS, STEPS, WIDTHS, make_data, memory_of
from dlf.data import open_split, read_manifest


def test_the_data_is_mosei_in_small(tmp_path: Path) -> None:
    make_data(tmp_path, 300)
    clips = read_manifest("mosei", tmp_path).clips
    assert clips.train == 300
    assert clips.valid == round(300 * CLIPS["valid"] / CLIPS["train"])
    train = open_split("mosei", tmp_path, "train")
    assert train.text.values.shape == (300 * STEPS, WIDTHS.text)
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
    assert after.own - before.own < 20 << 20
