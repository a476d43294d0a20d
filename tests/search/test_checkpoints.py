"""A trial's state on disk: whole or not at all, and known to be damaged when it is."""

from pathlib import Path

import pytest
import torch

from search.checkpoints import STATE_FILE, Checkpoints, DamagedCheckpointError

STATE = {"weights": torch.arange(5000.0), "history": [{"epoch": 1}]}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(folder=tmp_path / "checkpoints")


def test_what_was_written_is_read(checkpoints: Checkpoints) -> None:
    checkpoints.write(3, STATE)
    state = checkpoints.read(3)
    assert state is not None
    assert torch.equal(state["weights"], STATE["weights"])
    assert state["history"] == STATE["history"]
    assert checkpoints.read(4) is None


def test_a_later_state_replaces_the_former_and_nothing_else_is_left(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.write(3, STATE)
    checkpoints.write(3, {"history": []})
    assert checkpoints.read(3) == {"history": []}
    assert [file.name for file in checkpoints.of(3).iterdir()] == [STATE_FILE]


@pytest.mark.parametrize("place", [2000, 12000, -30])
def test_a_byte_that_changed_is_noticed(checkpoints: Checkpoints, place: int) -> None:
    checkpoints.write(3, STATE)
    path = checkpoints.of(3) / STATE_FILE
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match=str(path)):
        checkpoints.read(3)


@pytest.mark.parametrize("length", [0, 100, 15000])
def test_a_file_that_was_cut_short_is_noticed(checkpoints: Checkpoints, length: int) -> None:
    checkpoints.write(3, STATE)
    path = checkpoints.of(3) / STATE_FILE
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedCheckpointError):
        checkpoints.read(3)


def test_a_write_that_fails_leaves_the_former_state(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(3, {"history": []})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.checkpoints.torch.save", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.write(3, STATE)
    assert checkpoints.read(3) == {"history": []}
    assert [file.name for file in checkpoints.of(3).iterdir()] == [STATE_FILE]


def test_what_is_under_way_is_spared(checkpoints: Checkpoints) -> None:
    for number in (1, 2, 10):
        checkpoints.write(number, STATE)
    checkpoints.discard_all_but({2})
    assert [folder.name for folder in checkpoints.folder.iterdir()] == ["trial-2"]
