"""Files as they are found: old numpy, lists, float64, holes, padding on either side."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
        split["audio"][0, -1 if left else 0, 1] = -np.inf
    return content


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


def test_padding_on_the_left_is_cut_as_well(tmp_path: Path) -> None:
    source = tmp_path / "left.pkl"
    source.write_bytes(pickle.dumps(content_with_lengths(left=True), 4))
    manifest = import_file("mosi", source, tmp_path)
    assert manifest.clips.train == 4
