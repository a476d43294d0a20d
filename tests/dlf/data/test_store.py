"""The stored form: a faithful, atomic, memory-mapped copy whose test split can be sealed."""

import hashlib
import pickle
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlf.command import BadInputError, WorkFailedError
from dlf.data import mmsa, open_split, open_test_split, read_manifest, store
from dlf.data.manifest import Manifest, version_folder
from dlf.data.mmsa import CleanDataset
from dlf.data.split import SPLITS, Sequences, Split, TokenIds
from dlf.data.store import verify_split, write_dataset
from dlf.modalities import MODALITIES


def clean(content: Any) -> CleanDataset:
    return mmsa.clean(deepcopy(content))


def file_of(data_dir: Path, name: str) -> Path:
    digest = read_manifest("mosi", data_dir).digest
    return version_folder("mosi", data_dir, digest) / f"{name}.arrow"


def write(dataset: CleanDataset, data_dir: Path) -> Manifest:
    return write_dataset(
        dataset, dataset="mosi", data_dir=data_dir, source="a.pkl", source_sha256="0" * 64
    )


def open_any(data_dir: Path, name: str) -> Split:
    if name == "test":
        return open_test_split("mosi", data_dir)
    return open_split("mosi", data_dir, name)  # type: ignore[arg-type]


def test_what_is_written_is_what_is_opened(content: Any, tmp_path: Path) -> None:
    dataset = clean(content)
    manifest = write(dataset, tmp_path)
    assert read_manifest("mosi", tmp_path) == manifest
    assert manifest.clips.model_dump() == {"train": 4, "valid": 3, "test": 2}
    for name in SPLITS:
        written, opened = dataset.splits[name], open_any(tmp_path, name)
        assert (opened.name, opened.ids, len(opened)) == (name, written.ids, len(written))
        assert opened.raw_text == written.raw_text
        np.testing.assert_array_equal(opened.labels, written.labels)
        for part in (*MODALITIES, "token_ids"):
            for field in ("values", "starts", "lengths"):
                expected = getattr(getattr(written, part), field)
                actual = getattr(getattr(opened, part), field)
                assert actual.dtype == expected.dtype
                np.testing.assert_array_equal(actual, expected)


def test_the_digest_is_that_of_the_three_files(content: Any, tmp_path: Path) -> None:
    manifest = write(clean(content), tmp_path)
    joined = b"".join(file_of(tmp_path, name).read_bytes() for name in SPLITS)
    assert manifest.digest == hashlib.sha256(joined).hexdigest()
    assert write(clean(content), tmp_path / "again").digest == manifest.digest


def large_dataset(dataset: CleanDataset, clips: int, steps: int, width: int) -> CleanDataset:
    """One large train split beside the small ones, every clip of `steps` steps."""
    starts, lengths = np.arange(clips) * steps, np.full(clips, steps)
    values = np.ones((clips * steps, width), np.float32)
    sequences = Sequences(values, starts, lengths)
    train = Split(
        "train",
        ["clip"] * clips,
        ["some words"] * clips,
        np.zeros(clips, np.float32),
        sequences,
        sequences,
        sequences,
        TokenIds(np.zeros(clips * steps, np.int32), starts, lengths),
    )
    widths = dataset.widths.model_copy(update=dict.fromkeys(MODALITIES, width))
    return replace(dataset, splits={**dataset.splits, "train": train}, widths=widths)


def test_opening_copies_no_features(content: Any, tmp_path: Path) -> None:
    write(large_dataset(clean(content), clips=2000, steps=40, width=100), tmp_path)
    allocated = pa.total_allocated_bytes()
    split = open_split("mosi", tmp_path, "train")
    assert pa.total_allocated_bytes() == allocated
    for modality in MODALITIES:
        values = split[modality].values
        assert values.shape == (80_000, 100)
        assert values.flags.c_contiguous
        assert not values.flags.owndata
        assert not values.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            values[0, 0] = 1


def test_a_split_survives_a_pickle(content: Any, tmp_path: Path) -> None:
    write(clean(content), tmp_path)
    split = open_split("mosi", tmp_path, "train")
    copy = pickle.loads(pickle.dumps(split, 5))
    assert copy.ids == split.ids
    np.testing.assert_array_equal(copy.text.values, split.text.values)


@pytest.mark.parametrize("failing", ["train", "test", "manifest"])
def test_a_failure_while_writing_leaves_the_former_dataset(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    former = write(clean(content), tmp_path)
    content["train"]["audio"] *= 2
    write_split = store._write_split

    def fail(split: Split, path: Path) -> None:
        write_split(split, path)
        if split.name == failing:
            raise OSError(28, "No space left on device")

    def fail_on_manifest(*_arguments: object, **_options: object) -> str:
        raise KeyboardInterrupt

    if failing == "manifest":
        monkeypatch.setattr(Manifest, "model_dump_json", fail_on_manifest)
    monkeypatch.setattr(store, "_write_split", fail)
    with pytest.raises((WorkFailedError, KeyboardInterrupt)):
        write(clean(content), tmp_path)
    monkeypatch.undo()
    assert read_manifest("mosi", tmp_path) == former
    assert not list((tmp_path / "mosi").glob(".writing-*"))
    joined = b"".join(file_of(tmp_path, name).read_bytes() for name in SPLITS)
    assert hashlib.sha256(joined).hexdigest() == former.digest


@pytest.mark.parametrize("moved", ["valid.arrow", "manifest.json"])
def test_a_failure_while_moving_leaves_the_former_dataset(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    former = write(clean(content), tmp_path)
    content["train"]["audio"] *= 2
    replace = store.os.replace

    def fail(source: Path, target: Path) -> None:
        if target.name == moved:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(store.os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write(clean(content), tmp_path)
    monkeypatch.undo()
    assert read_manifest("mosi", tmp_path) == former
    for name in SPLITS:
        verify_split("mosi", tmp_path, name)
    later = write(clean(content), tmp_path)
    assert [path.name for path in (tmp_path / "mosi").iterdir() if path.is_dir()] == [
        later.digest[:16]
    ]


def test_a_later_import_replaces_the_former(content: Any, tmp_path: Path) -> None:
    write(clean(content), tmp_path)
    former = open_split("mosi", tmp_path, "train")
    first = float(former.audio.values[0, 0])
    content["train"]["audio"] *= 2
    write(clean(content), tmp_path)
    assert open_split("mosi", tmp_path, "train").audio.values[0, 0] == pytest.approx(2 * first)
    assert former.audio.values[0, 0] == pytest.approx(first)


def test_an_unwritable_folder_is_told(content: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkFailedError, match="cannot be written: Not a directory"):
        write(clean(content), tmp_path / "file")


def test_open_split_does_not_open_test(content: Any, tmp_path: Path) -> None:
    write(clean(content), tmp_path)
    with pytest.raises(ValueError, match="not 'test'"):
        open_split("mosi", tmp_path, "test")  # type: ignore[arg-type]


def test_a_sealed_test_split_stays_shut_in_its_process(content: Any, tmp_path: Path) -> None:
    write(clean(content), tmp_path)
    script = (
        "import sys; from dlf.data import *\n"
        "assert len(open_test_split('mosi', sys.argv[1])) == 2\n"
        "seal_test_split()\n"
        "assert len(open_split('mosi', sys.argv[1], 'valid')) == 3\n"
        "try: open_test_split('mosi', sys.argv[1])\n"
        "except SealedTestSplitError: print('sealed')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "sealed\n"
    assert len(open_test_split("mosi", tmp_path)) == 2


AGAIN = "store the dataset again with: python -m dlf.data import --dataset mosi --source FILE"


@pytest.mark.parametrize("damage", [b"", b"ARROW1 no more", None, "cut", "other"])
def test_a_damaged_arrow_file_is_told(content: Any, tmp_path: Path, damage: Any) -> None:
    write(clean(content), tmp_path)
    path = file_of(tmp_path, "valid")
    if damage is None:
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "other":
        path.write_bytes(file_of(tmp_path, "train").read_bytes())
    else:
        path.write_bytes(damage)
    with pytest.raises(BadInputError, match=AGAIN):
        open_split("mosi", tmp_path, "valid")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 2', '"format": 3', "has format 3 where 2 is expected"),
        ('"dataset": "mosi"', '"dataset": "mosei"', "describes mosei, not mosi"),
        ('"digest"', '"digits"', "is damaged or of another version"),
        ("{", "", "is damaged or of another version"),
    ],
)
def test_a_damaged_manifest_is_told(
    content: Any, tmp_path: Path, old: str, new: str, message: str
) -> None:
    write(clean(content), tmp_path)
    path = tmp_path / "mosi" / "manifest.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadInputError, match=f"{message}; {AGAIN}"):
        read_manifest("mosi", tmp_path)
