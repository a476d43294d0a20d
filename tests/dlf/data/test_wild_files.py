"""Files as they are found: old numpy, lists, float64, holes, padding on either side."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlf.data import open_split
from dlf.data.location import import_file
from tests.dlf.data.conftest import make_content

Content = dict[str, dict[str, Any]]


def content_with_lengths(*, left: bool = False) -> Content:
    content = make_content(left=left)
    for split in content.values():
        split["text_bert"] = split["text_bert"].astype(np.float64)
        for key in ("audio", "vision"):
            steps = (split[key] != 0).any(axis=2).sum(axis=1)
            split[f"{key}_lengths"] = [int(count) for count in steps]
        first = np.flatnonzero(split["text_bert"][0, 1])[0]
        split["audio"][0, first, 1] = -np.inf
    return content


def silence_tails(split: dict[str, Any]) -> None:
    """Make zeros of all valid steps of a clip but its first two, which lengths still count."""
    for key in ("audio", "vision"):
        for clip, mask in zip(split[key], split["text_bert"][:, 1], strict=True):
            clip[np.flatnonzero(mask)[2:]] = 0


def every_split(change: Callable[[dict[str, Any]], None]) -> Callable[[Content], None]:
    def change_all(content: Content) -> None:
        for split in content.values():
            change(split)

    return change_all


def lists(split: dict[str, Any]) -> None:
    for key in ("text", "audio", "vision", "regression_labels", "text_bert"):
        split[key] = split[key].tolist()


def lists_of_arrays(split: dict[str, Any]) -> None:
    for key in ("text", "audio", "vision"):
        split[key] = list(split[key])


def doubles(split: dict[str, Any]) -> None:
    for key in ("text", "audio", "vision", "regression_labels"):
        split[key] = split[key].astype(np.float64)


def object_arrays(split: dict[str, Any]) -> None:
    for key in ("id", "raw_text"):
        split[key] = np.array(split[key], dtype=object)


def bytes_strings(split: dict[str, Any]) -> None:
    for key in ("id", "raw_text"):
        split[key] = [text.encode() for text in split[key]]


def numpy_lengths(split: dict[str, Any]) -> None:
    for key in ("audio_lengths", "vision_lengths"):
        split[key] = np.array(split[key])


def numpy_strings(split: dict[str, Any]) -> None:
    for key in ("id", "raw_text"):
        split[key] = np.array(split[key])


def fortran_order(split: dict[str, Any]) -> None:
    for key in ("text", "audio"):
        split[key] = np.asfortranarray(split[key])


def nothing(split: dict[str, Any]) -> None:
    pass


CHANGES = [
    lists,
    lists_of_arrays,
    doubles,
    object_arrays,
    bytes_strings,
    numpy_lengths,
    numpy_strings,
    fortran_order,
    nothing,
]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the plain file."""
    folder = tmp_path_factory.mktemp("plain")
    source = folder / "plain.pkl"
    source.write_bytes(pickle.dumps(content_with_lengths(), 4))
    return import_file("mosi", source, folder).digest


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("change", CHANGES)
def test_the_same_data_in_another_guise_is_the_same_dataset(
    tmp_path: Path, expected: str, change: Callable[[dict[str, Any]], None], protocol: int
) -> None:
    content = content_with_lengths()
    every_split(change)(content)
    raw = pickle.dumps(content, protocol)
    source = tmp_path / "wild.pkl"
    source.write_bytes(raw.replace(b"numpy._core.", b"numpy.core.") if protocol < 4 else raw)
    manifest = import_file("mosi", source, tmp_path)
    assert manifest.digest == expected
    assert manifest.nonfinite.model_dump() == {"audio": 3, "vision": 0}


@pytest.mark.parametrize("change", [nothing, silence_tails])
def test_the_side_of_padding_is_nothing_to_what_is_stored(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    found, lengths = [], []
    for left in (False, True):
        content = content_with_lengths(left=left)
        every_split(change)(content)
        source = tmp_path / f"left-{left}.pkl"
        source.write_bytes(pickle.dumps(content, 4))
        found.append(import_file("mosi", source, tmp_path / str(left)))
        train = open_split("mosi", tmp_path / str(left), "train")
        lengths.append((train.audio.lengths.tolist(), train.vision.lengths.tolist()))
    assert found[0].digest == found[1].digest
    assert found[0].nonfinite.model_dump() == {"audio": 3, "vision": 0}
    assert lengths == [([3, 12, 1, 7], [3, 12, 1, 7])] * 2
