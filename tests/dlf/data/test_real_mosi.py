"""The real CMU-MOSI file, where it is at hand."""

from pathlib import Path

import numpy as np
import pytest

from dlf.data import open_split, open_test_split
from dlf.data.information import count_steps
from dlf.data.location import import_file


def test_real_mosi_is_always_imported_alike(real_mosi: Path, tmp_path: Path) -> None:
    manifest = import_file("mosi", real_mosi, tmp_path / "once")
    assert import_file("mosi", real_mosi, tmp_path / "twice") == manifest
    assert manifest.clips.model_dump() == {"train": 1284, "valid": 229, "test": 686}
    assert manifest.widths.model_dump() == {"text": 300, "audio": 77, "vision": 100}
    assert manifest.text_kind == "words"

    train = open_split("mosi", tmp_path / "once", "train")
    assert train.text.lengths.mean() == pytest.approx(12.0, abs=0.1)
    assert train.token_ids.lengths.mean() == pytest.approx(14.8, abs=0.1)
    assert count_steps(train.vision).absent / len(train) == pytest.approx(0.54, abs=0.01)
    assert np.abs(train.labels).max() <= 3
    assert len(open_test_split("mosi", tmp_path / "once")) == 686
