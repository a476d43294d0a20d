"""A trial's state on disk: whole or not at all, and known to be damaged when it is."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from ray import tune

from dlf.config import Config
from dlf.data import open_split, read_manifest
from dlf.metrics import BEST_OBJECTIVE, compute_metrics
from dlf.text.source import TextSource
from search.engine.trainable import PLAN, DLFTrainable, Workplace
from search.resources.allotment import Resources
from search.trial.checkpoint_files import (
    CheckpointFiles,
    CheckpointsAwayError,
    LocalFiles,
    RemoteFiles,
)
from search.trial.checkpoints import (
    PREDICTIONS_FILE,
    STATE_FILE,
    Checkpoints,
    DamagedCheckpointError,
)
from search.trial.data import TrialData
from search.trial.plan import TrialPlan
from tests.support.mlflow_server import unused_port
from tests.support.s3_server import S3Server
from tracking.remote.folder import RemoteFolder

STATE = {"weights": torch.arange(5000.0), "history": [{"epoch": 1}]}


class Place(NamedTuple):
    """Checkpoints, and their files as whoever damages them gets at them."""

    checkpoints: Checkpoints
    files: CheckpointFiles

    def names(self) -> list[str]:
        """All that is there."""
        folder = self.checkpoints.folder
        if isinstance(folder, RemoteFolder):
            return sorted(folder.files())
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))

    def content(self, name: str) -> bytes:
        with self.files.opened(f"trial-3/{name}") as file:
            return file.read()

    def overwrite(self, name: str, content: bytes) -> None:
        with self.files.replaced(f"trial-3/{name}") as file:
            file.write(content)


@pytest.fixture(params=["a folder", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One of all kinds of places, none of which is there yet."""
    folder = tmp_path / "deep" / "checkpoints"
    if request.param == "a folder":
        return Place(Checkpoints(folder=folder), LocalFiles(folder))
    uri = tmp_path.as_uri()
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        uri = server.bucket()
    remote = RemoteFolder.at(uri).child("deep").child("checkpoints")
    return Place(Checkpoints(folder=remote), RemoteFiles(remote))


@pytest.fixture
def checkpoints(place: Place) -> Checkpoints:
    return place.checkpoints


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_was_written_is_read(checkpoints: Checkpoints) -> None:
    checkpoints.write(3, STATE)
    state = checkpoints.read(3)
    assert state is not None
    assert torch.equal(state["weights"], STATE["weights"])
    assert state["history"] == STATE["history"]
    assert checkpoints.read(4) is None


def test_a_worker_knows_the_same_place(checkpoints: Checkpoints) -> None:
    checkpoints.write(3, {"history": []})
    of_worker = Checkpoints.model_validate_json(checkpoints.model_dump_json())
    assert of_worker == checkpoints
    assert of_worker.read(3) == {"history": []}


def test_a_later_state_replaces_the_former_and_nothing_else_is_left(place: Place) -> None:
    place.checkpoints.write(3, STATE)
    place.checkpoints.write(3, {"history": []})
    assert place.checkpoints.read(3) == {"history": []}
    assert place.checkpoints.numbers() == {3}
    assert place.names() == [f"trial-3/{STATE_FILE}"]


@pytest.mark.parametrize("at", [2000, 12000, -30])
def test_a_byte_that_changed_is_noticed(place: Place, at: int) -> None:
    place.checkpoints.write(3, STATE)
    content = bytearray(place.content(STATE_FILE))
    content[at] ^= 0xFF
    place.overwrite(STATE_FILE, content)
    where = re.escape(place.files.shown(f"trial-3/{STATE_FILE}"))
    with pytest.raises(DamagedCheckpointError, match=where):
        place.checkpoints.read(3)


@pytest.mark.parametrize("length", [0, 100, 15000])
def test_a_file_that_was_cut_short_is_noticed(place: Place, length: int) -> None:
    place.checkpoints.write(3, STATE)
    place.overwrite(STATE_FILE, place.content(STATE_FILE)[:length])
    with pytest.raises(DamagedCheckpointError):
        place.checkpoints.read(3)


def test_a_write_that_fails_leaves_the_former_state(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.checkpoints.write(3, {"history": []})
    monkeypatch.setattr("search.trial.checkpoints.torch.save", full)
    with pytest.raises(OSError, match="No space left"):
        place.checkpoints.write(3, STATE)
    assert place.checkpoints.read(3) == {"history": []}
    assert place.names() == [f"trial-3/{STATE_FILE}"]


def test_what_is_under_way_is_spared(checkpoints: Checkpoints) -> None:
    for number in (1, 2, 10):
        checkpoints.write(number, STATE)
    checkpoints.discard_all_but({2})
    assert checkpoints.numbers() == {2}


def test_what_was_discarded_is_gone(checkpoints: Checkpoints) -> None:
    checkpoints.write(3, STATE)
    assert checkpoints.numbers() == {3}
    checkpoints.discard(3)
    checkpoints.discard(3)
    assert checkpoints.numbers() == set()
    assert checkpoints.read(3) is None


def test_nothing_is_left_where_nothing_was_written(checkpoints: Checkpoints) -> None:
    assert checkpoints.numbers() == set()
    checkpoints.discard_all_but(set())


def test_a_mark_is_known_by_its_token_and_replaced_by_the_next(place: Place) -> None:
    assert not place.checkpoints.has_mark("one")
    place.checkpoints.leave_mark("one")
    assert place.checkpoints.has_mark("one")
    place.checkpoints.leave_mark("another")
    assert not place.checkpoints.has_mark("one")
    assert place.checkpoints.has_mark("another")
    assert place.checkpoints.numbers() == set()


def test_predictions_are_read_as_they_were_written(checkpoints: Checkpoints) -> None:
    predictions = np.arange(6, dtype=np.float32).reshape(2, 3)
    checkpoints.write(3, STATE)
    assert checkpoints.read_predictions(3) is None
    checkpoints.write_predictions(3, predictions)
    np.testing.assert_array_equal(checkpoints.read_predictions(3), predictions)


def test_damage_of_predictions_is_noticed_or_leaves_their_kind(tmp_path: Path) -> None:
    checkpoints = Checkpoints(folder=tmp_path)
    checkpoints.write_predictions(3, np.ones((2, 3), dtype=np.float32))
    path = tmp_path / "trial-3" / PREDICTIONS_FILE
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


@pytest.mark.parametrize("damaged", [b"", b"garbage", b"\x93NUMPY"])
def test_damage_of_predictions_is_noticed_everywhere(place: Place, damaged: bytes) -> None:
    place.overwrite(PREDICTIONS_FILE, damaged)
    with pytest.raises(DamagedCheckpointError):
        place.checkpoints.read_predictions(3)


def test_predictions_that_cannot_be_written_leave_the_former(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.checkpoints.write_predictions(3, np.ones((1, 3), dtype=np.float32))
    monkeypatch.setattr("search.trial.checkpoints.np.save", full)
    with pytest.raises(OSError, match="No space left"):
        place.checkpoints.write_predictions(3, np.zeros((1, 3), dtype=np.float32))
    assert place.names() == [f"trial-3/{PREDICTIONS_FILE}"]
    np.testing.assert_array_equal(place.checkpoints.read_predictions(3), np.ones((1, 3)))


def test_a_store_that_is_away_is_told_of_and_stops_nobody() -> None:
    options = f"scheme=http&endpoint_override=127.0.0.1:{unused_port()}&region=us-east-1"
    folder = RemoteFolder.at(f"s3://KEY:SECRET@bucket/checkpoints?{options}")
    checkpoints = Checkpoints(folder=folder)
    with pytest.raises(OSError, match=r"the checkpoint s3://KEY:\*\*\*@bucket/") as raised:
        checkpoints.write(3, STATE)
    assert "SECRET" not in str(raised.value)
    assert "NETWORK_CONNECTION" in str(raised.value)
    assert len(str(raised.value)) < 300
    assert checkpoints.numbers() == set()
    assert not checkpoints.has_mark("one")
    checkpoints.discard(3)


def test_a_resumed_trial_writes_its_predictions_anew(
    tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the two files of a checkpoint."""
    checkpoints = Checkpoints(folder=tmp_path)
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
    )
    trainable = tune.with_parameters(DLFTrainable, workplace=place)
    threads = torch.get_num_threads()
    reported = trainable({PLAN: plan.model_dump_json()}).train()
    labels = open_split("synthetic", tiny_data, "valid").labels
    checkpoints.write_predictions(0, np.zeros((1, len(labels)), dtype=np.float32))
    resumed = plan.model_copy(update={"begun": True})
    trainable({PLAN: resumed.model_dump_json()})
    torch.set_num_threads(threads)
    mended = checkpoints.read_predictions(0)
    assert mended is not None
    assert compute_metrics(mended[0], labels).mae == reported[BEST_OBJECTIVE]


def test_a_checkpoint_that_cannot_be_reached_is_waited_for_and_not_trained_over(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that is away for a moment has it still."""
    answers: list[Any] = [CheckpointsAwayError("no answer"), CheckpointsAwayError("no answer"), {}]

    def read(_: Checkpoints, number: int) -> Any:
        assert number == 3
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Checkpoints, "read", read)
    monkeypatch.setattr("search.trial.checkpoints.sleep", lambda _: None)
    assert checkpoints.read_patiently(3) == {}
    assert answers == []
    monkeypatch.setattr("search.trial.checkpoints.AWAY_SECONDS", -1.0)
    answers.append(CheckpointsAwayError("no answer"))
    with pytest.raises(CheckpointsAwayError):
        checkpoints.read_patiently(3)
