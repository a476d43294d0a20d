"""Of two processes that encode one split, the second waits until the first has let it go."""

import fcntl
from pathlib import Path

import numpy as np
import pytest

from dlf.data import Sequences
from dlf.data.encoded import EncodedSplit


def test_it_is_held_to_the_end_though_its_parts_are_removed_before(tmp_path: Path) -> None:
    split = EncodedSplit(tmp_path, "train")
    with split.writing():
        split.write_part(0, Sequences.end_to_end([np.zeros((2, 3), np.float32)]))
        split.finish(1)
        assert split.sound
        assert not (tmp_path / "train.parts").exists()
        (lock,) = tmp_path.glob("*.lock")
        with lock.open("w") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
