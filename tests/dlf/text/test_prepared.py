"""Text that is encoded once: right, read from then on, and whole whatever broke it off."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlf.text.frozen
from dlf.command import BadInputError, WorkFailedError
from dlf.data import Split, open_split, open_test_split, prepare_dataset, read_manifest
from dlf.data.encoded import list_encoded
from dlf.text import prepared
from dlf.text.encoder import encoder_folder, find_encoder
from dlf.text.frozen import FrozenEncoder
from dlf.text.prepared import open_text, prepare_text
from dlf.text.source import Encoder, TextSource
from tests.support.encoders import save_tiny_encoder

ROOT = Path(__file__).parents[3]
DEADLINE_S = 120.0


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    prepare_dataset("synthetic", tmp_path)
    return tmp_path


@pytest.fixture
def frozen(tiny_encoder: Encoder) -> TextSource:
    return TextSource(way="frozen", encoder=tiny_encoder)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "CLIPS_IN_A_PART", 32)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of clips in every call of the encoder."""
    calls: list[int] = []
    encode = FrozenEncoder.encode

    def count(encoder: FrozenEncoder, clips: Any) -> Any:
        calls.append(len(clips))
        return encode(encoder, clips)

    monkeypatch.setattr(FrozenEncoder, "encode", count)
    return calls


def both(data_dir: Path) -> list[Split]:
    return [open_split("synthetic", data_dir, "train"), open_split("synthetic", data_dir, "valid")]


def prepare(text: TextSource, data_dir: Path) -> None:
    prepare_text(text, "synthetic", data_dir, both(data_dir))


def opened(text: TextSource, data_dir: Path) -> Split:
    return open_text(text, "synthetic", data_dir, open_split("synthetic", data_dir, "train"))


def test_features_are_those_of_each_clip_read_alone(data_dir: Path, minilm: Encoder) -> None:
    from transformers import AutoModel

    text = TextSource(way="frozen", encoder=minilm)
    valid = open_split("synthetic", data_dir, "valid")
    prepare_text(text, "synthetic", data_dir, [valid])
    found = open_text(text, "synthetic", data_dir, valid).text
    model = AutoModel.from_pretrained(encoder_folder("minilm")).eval()
    for clip in (0, 7, 41):
        ids = torch.tensor(valid.token_ids.values[valid.token_ids.starts[clip] :][None])
        ids = ids[:, : valid.token_ids.lengths[clip]].long()
        with torch.inference_mode():
            alone = model(input_ids=ids).last_hidden_state[0].numpy()
        start, length = found.starts[clip], found.lengths[clip]
        assert length == len(alone)
        np.testing.assert_allclose(found.values[start : start + length], alone, atol=1e-5)


def test_only_the_text_is_replaced_and_nothing_is_copied(
    data_dir: Path, frozen: TextSource
) -> None:
    prepare(frozen, data_dir)
    split, found = open_split("synthetic", data_dir, "train"), opened(frozen, data_dir)
    assert found.text.values.shape[1] == 16
    assert np.array_equal(found.audio.values, split.audio.values)
    assert not found.text.values.flags.owndata
    assert not found.text.values.flags.writeable


def test_what_is_there_is_read_and_not_made_again(
    data_dir: Path, frozen: TextSource, counted: list[int]
) -> None:
    prepare(frozen, data_dir)
    assert sum(counted) == 256 + 80
    prepare(frozen, data_dir)
    assert sum(counted) == 256 + 80


def test_a_search_leaves_the_test_split_to_the_promotion(
    data_dir: Path, frozen: TextSource, counted: list[int]
) -> None:
    prepare(frozen, data_dir)
    (encoded,) = list_encoded(read_manifest("synthetic", data_dir), data_dir)
    assert encoded.finished == ("train", "valid")
    test = open_test_split("synthetic", data_dir)
    with pytest.raises(BadInputError, match=r"test.arrow is missing"):
        open_text(frozen, "synthetic", data_dir, test)
    prepare_text(frozen, "synthetic", data_dir, [test])
    assert sum(counted) == 256 + 80 + 120
    assert len(open_text(frozen, "synthetic", data_dir, test).text.lengths) == 120


@pytest.fixture
def broken_off(
    data_dir: Path,
    frozen: TextSource,
    counted: list[int],
    small_parts: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The folder of an encoding that was interrupted after three parts."""
    count = FrozenEncoder.encode

    def break_off(encoder: FrozenEncoder, clips: Any) -> Any:
        if len(counted) == 3:
            raise KeyboardInterrupt
        return count(encoder, clips)

    with monkeypatch.context() as patch:
        patch.setattr(FrozenEncoder, "encode", break_off)
        with pytest.raises(KeyboardInterrupt):
            prepare(frozen, data_dir)
    assert counted == [32, 32, 32]
    counted.clear()
    return next(data_dir.rglob("train.parts"))


@pytest.mark.usefixtures("broken_off")
def test_what_was_broken_off_goes_on_where_it_was(
    data_dir: Path, frozen: TextSource, counted: list[int]
) -> None:
    with pytest.raises(BadInputError, match="is missing or damaged"):
        opened(frozen, data_dir)
    prepare(frozen, data_dir)
    assert sum(counted) == 256 - 3 * 32 + 80


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("fault", [damage, cut, Path.unlink])
def test_what_is_damaged_is_made_again(
    data_dir: Path, frozen: TextSource, counted: list[int], fault: Callable[[Path], None]
) -> None:
    prepare(frozen, data_dir)
    expected = opened(frozen, data_dir).text.values.copy()
    fault(next(data_dir.rglob("text-*/train.arrow")))
    prepare(frozen, data_dir)
    assert sum(counted) == 2 * 256 + 80
    assert np.array_equal(opened(frozen, data_dir).text.values, expected)


@pytest.mark.parametrize("name", ["00001.arrow", "00001.sha256"])
@pytest.mark.parametrize("fault", [damage, cut, empty, Path.unlink])
def test_a_damaged_part_is_made_again_and_no_other(
    data_dir: Path,
    frozen: TextSource,
    counted: list[int],
    broken_off: Path,
    fault: Callable[[Path], None],
    name: str,
) -> None:
    fault(broken_off / name)
    prepare(frozen, data_dir)
    assert sum(counted) == 256 - 2 * 32 + 80
    expected = opened(frozen, data_dir).text.values.copy()
    next(data_dir.rglob("text-*/train.arrow")).unlink()
    prepare(frozen, data_dir)
    assert np.array_equal(opened(frozen, data_dir).text.values, expected)


def test_another_encoder_or_way_has_a_place_of_its_own(
    data_dir: Path, frozen: TextSource, tmp_path: Path
) -> None:
    other = find_encoder(str(save_tiny_encoder(tmp_path / "other", ("good",), width=8)))
    ways = [
        frozen,
        TextSource(way="frozen", encoder=other),
        TextSource(way="finetune", encoder=other),
    ]
    for text in ways:
        prepare(text, data_dir)
    assert [opened(text, data_dir).text.values.shape[1] for text in ways] == [16, 8, 1]
    encoded = list_encoded(read_manifest("synthetic", data_dir), data_dir)
    assert sorted(each.encoding.kind for each in encoded) == ["features", "features", "tokens"]


def test_token_ids_are_kept_for_an_encoder_that_learns(data_dir: Path, minilm: Encoder) -> None:
    text = TextSource(way="finetune", encoder=minilm)
    prepare(text, data_dir)
    split, found = open_split("synthetic", data_dir, "train"), opened(text, data_dir)
    assert np.array_equal(found.text.values[:, 0], split.token_ids.values)
    assert found.text.values.dtype == np.int32


def test_features_of_the_file_need_nothing(data_dir: Path) -> None:
    text = TextSource(way="precomputed")
    split = open_split("synthetic", data_dir, "train")
    prepare_text(text, "synthetic", data_dir, [split])
    assert open_text(text, "synthetic", data_dir, split) is split


def test_an_encoder_that_changed_is_refused(data_dir: Path, tmp_path: Path) -> None:
    folder = save_tiny_encoder(tmp_path / "changing", ("good",))
    text = TextSource(way="frozen", encoder=find_encoder(str(folder)))
    (folder / "vocab.txt").write_text("other\n")
    with pytest.raises(BadInputError, match="is not the one that the study was made with"):
        prepare(text, data_dir)


KILLED = (
    "import sys; from pathlib import Path; from dlf.data import open_split\n"
    "from dlf.text import prepared; from dlf.text.encoder import find_encoder\n"
    "from dlf.text.source import TextSource\n"
    "prepared.CLIPS_IN_A_PART = 8\n"
    "text = TextSource(way='frozen', encoder=find_encoder(sys.argv[2]))\n"
    "train = open_split('synthetic', sys.argv[1], 'train')\n"
    "prepared.prepare_text(text, 'synthetic', Path(sys.argv[1]), [train])\n"
)


@pytest.mark.slow
def test_a_killed_encoding_goes_on_and_comes_to_the_same(
    data_dir: Path, minilm: Encoder, monkeypatch: pytest.MonkeyPatch, counted: list[int]
) -> None:
    monkeypatch.setattr(prepared, "CLIPS_IN_A_PART", 8)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(data_dir), minilm.name],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + DEADLINE_S
    while len(list(data_dir.rglob("train.parts/*.arrow"))) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    text = TextSource(way="frozen", encoder=minilm)
    train = open_split("synthetic", data_dir, "train")
    prepare_text(text, "synthetic", data_dir, [train])
    assert 0 < sum(counted) <= 256 - 3 * 8
    found = opened(text, data_dir).text.values.copy()
    next(data_dir.rglob("text-*/train.arrow")).unlink()
    prepare_text(text, "synthetic", data_dir, [train])
    np.testing.assert_allclose(opened(text, data_dir).text.values, found, atol=1e-5)


def test_a_folder_that_cannot_be_written_is_told(
    data_dir: Path, frozen: TextSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Iterator[None]:
        raise OSError(28, "words of a library")

    monkeypatch.setattr("dlf.data.encoded.write_columns", full)
    with pytest.raises(WorkFailedError, match="No space left on device"):
        prepare(frozen, data_dir)


def test_batches_are_of_like_length_and_hold_every_clip() -> None:
    lengths = [50, 3, 3, 700, 4, 50, 2000]
    batches = dlf.text.frozen._batches(lengths)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert [sorted(lengths[row] for row in batch) for batch in batches] == [
        [3, 3, 4, 50, 50],
        [700],
        [2000],
    ]
