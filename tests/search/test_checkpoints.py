"""A trial's state on disk: whole or not at all, and known to be damaged when it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dlf.config import Config
from dlf.data import open_split, read_manifest
from dlf.metrics import compute_metrics
from dlf.text.source import TextSource
from search.checkpoints import (
    PREDICTIONS_FILE,
    STATE_FILE,
    Checkpoints,
    DamagedCheckpointError,
)
from search.resources import Resources
from search.trainable import OBJECTIVE, PLAN, WORKPLACE, DLFTrainable, Workplace
from search.trial_data import TrialData
from search.trials import TrialPlan

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


def test_predictions_are_read_as_they_were_written(checkpoints: Checkpoints) -> None:
    predictions = np.arange(6, dtype=np.float32).reshape(2, 3)
    checkpoints.write(3, STATE)
    assert checkpoints.read_predictions(3) is None
    checkpoints.write_predictions(3, predictions)
    np.testing.assert_array_equal(checkpoints.read_predictions(3), predictions)


def test_damage_of_predictions_is_noticed_or_leaves_their_kind(checkpoints: Checkpoints) -> None:
    checkpoints.write(3, STATE)
    checkpoints.write_predictions(3, np.ones((2, 3), dtype=np.float32))
    path = checkpoints.of(3) / PREDICTIONS_FILE
    content = path.read_bytes()
    cut_off = [content[:length] for length in range(len(content))]
    flipped = [
        content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        for place in range(len(content))
        for bit in range(8)
    ]
    noticed = 0
    for damaged in [b"garbage", b"PK\x03\x04", *cut_off, *flipped]:
        path.write_bytes(damaged)
        try:
            found = checkpoints.read_predictions(3)
        except DamagedCheckpointError:
            noticed += 1
        else:
            assert found is not None
            assert (found.ndim, found.dtype) == (2, np.float32)
    assert noticed > len(cut_off)


def test_predictions_that_cannot_be_written_leave_the_former(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(3, STATE)
    checkpoints.write_predictions(3, np.ones((1, 3), dtype=np.float32))
    before = sorted(checkpoints.of(3).iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.checkpoints.np.save", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.write_predictions(3, np.zeros((1, 3), dtype=np.float32))
    assert sorted(checkpoints.of(3).iterdir()) == before
    np.testing.assert_array_equal(checkpoints.read_predictions(3), np.ones((1, 3)))


def test_a_resumed_trial_writes_its_predictions_anew(
    checkpoints: Checkpoints, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the two files of a checkpoint."""
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    monkeypatch.setattr(DLFTrainable, "_setup_logdir", lambda _: None)
    values = {"width": 8, "heads": 2, "encoder_layers": 1, "attractor_layers": 1}
    config = Config().with_values({**values, "memory_layers": 1})
    plan = TrialPlan(number=0, name="trial 0", params={}, config=config, seeds=[7], max_epochs=2)
    data = TrialData(
        dataset="synthetic",
        dataset_digest=read_manifest("synthetic", tiny_data).digest,
        data_dir=tiny_data,
        text=TextSource(way="precomputed"),
    )
    place = Workplace(
        data=data,
        resources=Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=1),
        checkpoints=checkpoints,
    ).model_dump_json()
    threads = torch.get_num_threads()
    reported = DLFTrainable({WORKPLACE: place, PLAN: plan.model_dump_json()}).train()
    labels = open_split("synthetic", tiny_data, "valid").labels
    checkpoints.write_predictions(0, np.zeros((1, len(labels)), dtype=np.float32))
    resumed = plan.model_copy(update={"resumed": True})
    DLFTrainable({WORKPLACE: place, PLAN: resumed.model_dump_json()})
    torch.set_num_threads(threads)
    mended = checkpoints.read_predictions(0)
    assert mended is not None
    assert compute_metrics(mended[0], labels).mae == reported[OBJECTIVE]
