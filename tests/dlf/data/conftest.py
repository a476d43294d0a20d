"""A small feature file in the MMSA layout, for the tests of the data package."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STEPS = 12


def make_split(name: str, lengths: tuple[int, ...], *, left: bool, seed: int) -> dict[str, Any]:
    """One split whose clips have `lengths` valid steps, padded on one side."""
    random = np.random.default_rng(seed)
    clips = len(lengths)
    split: dict[str, Any] = {
        "id": [f"{name}$_${clip}" for clip in range(clips)],
        "raw_text": [f"clip {clip} of {name}" for clip in range(clips)],
        "text": np.zeros((clips, STEPS, 6), np.float32),
        "text_bert": np.zeros((clips, 3, STEPS)),
        "audio": np.zeros((clips, STEPS, 5), np.float32),
        "vision": np.zeros((clips, STEPS, 4), np.float32),
        "regression_labels": random.uniform(-3, 3, clips).astype(np.float32),
    }
    for clip, length in enumerate(lengths):
        place = slice(STEPS - length, STEPS) if left else slice(0, length)
        for key in ("text", "audio", "vision"):
            split[key][clip, place] = random.normal(size=(length, split[key].shape[2]))
        split["text_bert"][clip, 0, place] = random.integers(1000, 30000, length)
        split["text_bert"][clip, 1, place] = 1
    return split


def make_content(*, left: bool = False) -> dict[str, dict[str, Any]]:
    return {
        "train": make_split("train", (3, 12, 1, 7), left=left, seed=1),
        "valid": make_split("valid", (5, 2, 9), left=left, seed=2),
        "test": make_split("test", (4, 6), left=left, seed=3),
    }


@pytest.fixture
def content() -> dict[str, dict[str, Any]]:
    """Three splits with 4, 3 and 2 clips of 12 steps, padded on the right; text is tokens."""
    return make_content()


@pytest.fixture
def left_padded() -> dict[str, dict[str, Any]]:
    """The same data as `content`, padded on the left."""
    return make_content(left=True)


@pytest.fixture
def feature_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a content as a pickle and return its path."""

    def write(content: object, name: str = "aligned_50.pkl", protocol: int = 4) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol))
        return path

    return write
