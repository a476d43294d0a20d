"""Files that are refused: one sentence each, and the dataset stored earlier stays as it was."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlf.command import BadInputError
from dlf.data import mmsa, read_manifest
from dlf.data.__main__ import main
from dlf.data.location import import_file
from dlf.data.published import PUBLISHED, Published
from dlf.data.split import SPLITS
from dlf.data.store import verify_split
from tests.support.commands import Command, run_here

Content = dict[str, dict[str, Any]]


def import_by_command(source: Path, data_dir: Path) -> Command:
    words = ["dlf.data", "import", "--dataset", "mosi"]
    return run_here(main, *words, "--source", str(source), "--data-dir", str(data_dir))


def with_value(split: str, key: str, place: Any, value: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content[split][key][place] = value

    return change


def silence(content: Content) -> None:
    for key in ("text", "audio", "vision"):
        content["train"][key][2] = 0
    content["train"]["text_bert"][2] = 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            with_value("valid", "regression_labels", 1, 3.5),
            "valid/regression_labels has 3.5 in row 1 (valid$_$1) where sentiment lies between -3 "
            "and 3; 1 labels must be rescaled or left out",
        ),
        (
            with_value("test", "regression_labels", 0, -4),
            "test/regression_labels has -4 in row 0 (test$_$0) where sentiment lies between -3 "
            "and 3; 1 labels must be rescaled or left out",
        ),
        (
            with_value("train", "id", 3, "train$_$1"),
            "train/id has train$_$1 in row 1 and in row 3; leave one of the clips out",
        ),
        (
            silence,
            "train has no text, no audio, no vision, no tokens in row 2 (train$_$2), an utterance "
            "of no length; leave 1 such clips out",
        ),
        (
            with_value("train", "vision", ..., 0),
            "train/vision holds nothing but zeros in all 4 clips; get the file with the vision "
            "features",
        ),
        (
            with_value("valid", "text", ..., 0),
            "valid/text holds nothing but zeros in all 3 clips; get the file with the text "
            "features",
        ),
    ],
)
def test_a_bad_content_is_refused_in_one_sentence(
    content: Content, change: Callable[[Content], None], said: str
) -> None:
    change(content)
    with pytest.raises(BadInputError) as refusal:
        mmsa.clean(content)
    assert str(refusal.value) == said


@pytest.mark.parametrize("fault", ["label", "cut short"])
def test_the_earlier_dataset_stays(
    content: Content, feature_file: Callable[..., Path], tmp_path: Path, fault: str
) -> None:
    data = tmp_path / "data"
    former = import_file("mosi", feature_file(deepcopy(content), "good.pkl"), data)
    content["train"]["regression_labels"][0] = 7
    bad = feature_file(content, "bad.pkl")
    if fault == "cut short":
        bad.write_bytes(bad.read_bytes()[:-1000])
    done = import_by_command(bad, data)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("bad.pkl ")
    assert read_manifest("mosi", data) == former
    for name in SPLITS:
        verify_split("mosi", data, name)


class TestPublishedFiles:
    @pytest.fixture
    def published(
        self, content: Content, feature_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        """A file that passes for the published one of MOSEI."""
        source = feature_file(content)
        sha256 = import_file("mosei", source, source.parent / "other").source_sha256
        assert sha256 is not None
        monkeypatch.setitem(PUBLISHED, sha256, Published("mosei", "unaligned"))
        return source

    def test_one_is_recognised_and_named(self, published: Path, tmp_path: Path) -> None:
        assert import_file("mosei", published, tmp_path).published == "MOSEI unaligned"

    def test_one_of_another_dataset_is_refused(self, published: Path, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="published file of MOSEI unaligned, not of mosi"):
            import_file("mosi", published, tmp_path)
        assert not (tmp_path / "mosi").exists()

    def test_any_other_is_welcome(
        self, content: Content, feature_file: Callable[..., Path], tmp_path: Path
    ) -> None:
        assert import_file("mosi", feature_file(content), tmp_path).published is None

    def test_the_known_hashes_are_hashes(self) -> None:
        assert len(PUBLISHED) == 4
        assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in PUBLISHED)


def test_a_video_in_two_splits_is_counted(content: Content) -> None:
    content["train"]["id"] = ["a$_$1", "a$_$2", "b[3]", "c_-x_4"]
    content["valid"]["id"] = ["a$_$3", "d", "b[7]"]
    content["test"]["id"] = ["c_-x_9", "e"]
    assert mmsa.clean(content).shared_videos == 3


def test_statistics_are_of_the_rows_of_train_that_are_there(content: Content) -> None:
    rows = content["train"]["audio"].reshape(-1, 5)
    rows = rows[(rows != 0).any(axis=1)].astype(np.float64)
    found = mmsa.clean(content).statistics.audio
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, rows.std(axis=0), rtol=1e-6)
