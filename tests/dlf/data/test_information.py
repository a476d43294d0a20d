"""What `info` tells, for a person and for a program."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlf.data import mmsa, read_manifest, synthetic
from dlf.data.__main__ import main
from dlf.data.encoded import Encoding, EncodingFolder
from dlf.data.information import gather
from dlf.data.page import render
from dlf.data.store import write_dataset
from tests.support.commands import Command, run_here


def store(content: dict[str, Any], data_dir: Path) -> None:
    write_dataset(
        mmsa.clean(content), dataset="synthetic", data_dir=data_dir, source="a", source_sha256=None
    )


def info(data_dir: Path, *flags: str) -> Command:
    words = ["dlf.data", "info", "--dataset", "synthetic", *flags, "--data-dir", str(data_dir)]
    return run_here(main, *words)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    store(synthetic.generate(0), folder)
    return folder


def test_an_honest_dataset_has_no_warnings(data_dir: Path) -> None:
    information = gather("synthetic", data_dir)
    assert information.warnings == ()
    assert information.manifest.clips.train == information.train.clips == 256
    assert sum(information.train.labels.values()) == 256
    assert information.probes["text"] is not None
    assert 0.5 < information.probes["text"] < 0.9
    assert information.valid.steps["vision"].absent > 0


def test_the_page_has_all_of_it(data_dir: Path) -> None:
    page = render(gather("synthetic", data_dir))
    for word in (
        "digest ",
        "train: 256 clips",
        "90% up to",
        "absent in",
        "scales ",
        "by a straight",
    ):
        assert word in page
    assert "warning" not in page


def test_an_encoding_that_was_broken_off_is_told(tmp_path: Path) -> None:
    store(synthetic.generate(0), tmp_path)
    manifest = read_manifest("synthetic", tmp_path)
    revision = "5" * 64
    place = EncodingFolder(manifest, tmp_path, kind="features", encoder="minilm", revision=revision)
    place.begin(
        Encoding(
            kind="features",
            encoder="minilm",
            revision=revision,
            width=384,
            dataset_digest=manifest.digest,
            tokens_from="text_bert",
        )
    )
    expected = "features by minilm (revision 555555555555, from text_bert): unfinished"
    assert expected in render(gather("synthetic", tmp_path)).splitlines()[-1]


def test_json_is_for_programs(data_dir: Path) -> None:
    done = info(data_dir, "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert told["manifest"]["clips"] == {"train": 256, "valid": 80, "test": 120}
    assert told["warnings"] == []
    assert told["encoded"] == []


def test_scales_far_apart_are_told(tmp_path: Path) -> None:
    content = synthetic.generate(0)
    for split in content.values():
        split["audio"][:, :, 0] *= 500
    store(content, tmp_path)
    information = gather("synthetic", tmp_path)
    assert information.scale_ratios["audio"] > 100
    assert "times, so it is normalised, in vision" in render(information)


def test_a_video_in_two_splits_is_warned_of(tmp_path: Path) -> None:
    content = synthetic.generate(0)
    content["valid"]["id"][0] = content["train"]["id"][0].partition("$_$")[0] + "$_$99"
    store(content, tmp_path)
    done = info(tmp_path)
    assert done.code == 0
    assert "warning: 1 videos have clips in more than one split" in done.out


def test_leaked_labels_are_warned_of(tmp_path: Path) -> None:
    content = synthetic.generate(0)
    for split in content.values():
        split["vision"][:, 0, 3] = split["regression_labels"]
    store(content, tmp_path)
    (warning,) = gather("synthetic", tmp_path).warnings
    assert warning.startswith("vision alone predicts the labels of valid with a correlation of ")


def test_damage_is_told_before_anything_else(tmp_path: Path) -> None:
    store(synthetic.generate(0), tmp_path)
    file = next(tmp_path.rglob("valid.arrow"))
    damaged = np.frombuffer(file.read_bytes(), np.uint8).copy()
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged.tobytes())
    done = info(tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "valid.arrow is missing or damaged; store the dataset again with: " in done.err
