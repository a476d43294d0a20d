from collections.abc import Callable
from functools import partial
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import ViewType

from dlf.command import BadInputError
from tests.support.recording import (
    EPOCHS,
    OUTCOMES,
    SUMMARY,
    check,
    study_of,
    study_run_of,
    tell,
    trial_of,
)
from tracking.journal.events import StudyEvent
from tracking.journal.file import read_events
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import recorded_trials
from tracking.sending.sender import Patience
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation
from tracking.store.mlflow_store import MlflowStore
from tracking.sync import sync

Request = Callable[..., object]


def record(location: TrackingLocation, file: Path, key: str) -> str | None:
    recorder = MlflowRecorder(location, study_of(key), file, patience=Patience(pause=0.0))
    tell(recorder, file)
    return recorder.finish(SUMMARY) or recorder.unsent


def send(location: TrackingLocation, file: Path) -> dict[int, str]:
    """Give the store what the journal has, and nothing else."""
    refused = sync(location, file)
    assert refused.study is None
    return {number: str(error) for number, error in refused.trials.items()}


@pytest.fixture
def written(sqlite_location: TrackingLocation, journal_file: Path) -> list[StudyEvent]:
    assert record(sqlite_location, journal_file, "r") is None
    return list(read_events(journal_file))


def test_a_journal_alone_makes_the_whole_study(
    sqlite_location: TrackingLocation,
    server_location: TrackingLocation,
    journal_file: Path,
    written: list[StudyEvent],
) -> None:
    assert send(server_location, journal_file) == {}
    check(server_location, "r")
    there, again = connect(sqlite_location), connect(server_location)
    before, after = (recorded_trials(place, "r") for place in (sqlite_location, server_location))
    for number in before:
        old = there.client.get_run(before[number][0].run_id)
        new = again.client.get_run(after[number][0].run_id)
        assert old.info.start_time == new.info.start_time
        assert old.info.end_time == new.info.end_time
        assert old.data.params == new.data.params
        assert points(there, old.info.run_id) == points(again, new.info.run_id)


def points(store: MlflowStore, run_id: str) -> list[tuple[int, float, int]]:
    history = store.client.get_metric_history(run_id, "valid/mae")
    return sorted((point.step, point.value, point.timestamp) for point in history)


def test_what_is_whole_is_not_looked_at(
    sqlite_location: TrackingLocation,
    journal_file: Path,
    written: list[StudyEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = {runs[0].run_id for runs in recorded_trials(sqlite_location, "r").values()}
    working = mlflow.MlflowClient.get_metric_history

    def history(client: mlflow.MlflowClient, run_id: str, name: str) -> object:
        assert run_id not in trials
        return working(client, run_id, name)

    monkeypatch.setattr(mlflow.MlflowClient, "get_metric_history", history)
    monkeypatch.delattr(mlflow.MlflowClient, "create_run")
    monkeypatch.delattr(mlflow.MlflowClient, "log_text")
    assert send(sqlite_location, journal_file) == {}
    monkeypatch.undo()
    check(sqlite_location, "r")


def test_a_trial_that_has_not_ended_keeps_its_status(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    recorder = MlflowRecorder(sqlite_location, study_of("k"), journal_file)
    recorder.start_trial(trial_of(0))
    recorder.end_trial(0, OUTCOMES[2])
    recorder.start_trial(trial_of(0))
    recorder.log_epoch(0, 1, {"valid/mae": 1.0})
    assert recorder.finish(SUMMARY) is None
    assert send(sqlite_location, journal_file) == {}
    (run,) = recorded_trials(sqlite_location, "k")[0]
    assert (run.status, run.state, run.epochs) == ("KILLED", "interrupted", (1,))


def test_more_runs_than_a_page_are_all_found(
    location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking.store.mlflow_store.PAGE_SIZE", 2)
    key = f"pages-{location.uri.partition(':')[0]}"
    assert record(location, journal_file, key) is None
    assert record(location, journal_file, key) is None
    check(location, key)


def test_what_the_store_refuses_costs_its_own_trial_alone(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = mlflow.MlflowClient.create_run

    def refuse(*_: object, **__: object) -> None:
        raise mlflow.MlflowException.invalid_parameter_value("an odd number")

    def choosy(client: mlflow.MlflowClient, *args: object, **named: object) -> object:
        if named["run_name"] == "trial 1":
            refuse()
        return working(client, *args, **named)

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", choosy)
    missing = record(sqlite_location, journal_file, "c")
    assert missing is not None
    assert "refused a part of 1 trial (trial 1: an odd number)" in missing
    assert send(sqlite_location, journal_file) == {1: "an odd number"}
    assert sorted(recorded_trials(sqlite_location, "c")) == [0, 2]

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", working)
    monkeypatch.setattr(mlflow.MlflowClient, "log_text", refuse)
    recorder = MlflowRecorder(sqlite_location, study_of("c"), journal_file)
    recorder.run_id(1)
    monkeypatch.undo()
    assert recorder.finish(SUMMARY) is None
    check(sqlite_location, "c")


def test_a_run_deleted_during_the_search_is_brought_back(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    told: list[str] = []
    recorder = MlflowRecorder(sqlite_location, study_of("d"), journal_file, tell=told.append)
    recorder.start_trial(trial_of(0))
    recorder.log_epoch(0, 1, {"valid/mae": 1.0})
    deleted = recorder.run_id(0)
    client = connect(sqlite_location).client
    client.delete_run(deleted)
    tell(recorder, journal_file)
    client.delete_run(study_run_of(sqlite_location, "d"))
    assert recorder.finish(SUMMARY) is None
    assert recorder.run_id(0) == deleted
    check(sqlite_location, "d")
    assert len(told) == 2
    assert "the run of trial 0 was deleted in MLflow and is brought back" in told[0]
    assert "the run of the study study d was deleted in MLflow and is brought back" in told[1]


def test_an_experiment_deleted_during_the_search_is_sent_all_when_it_is_restored(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    recorder = MlflowRecorder(sqlite_location, study_of("x"), journal_file)
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    store = connect(sqlite_location)
    (experiment,) = store.experiments("dlf-")
    store.client.delete_experiment(experiment)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is not None
    assert "deleted" in recorder.unsent
    with pytest.raises(BadInputError, match=f"restore --experiment-id {experiment}"):
        send(sqlite_location, journal_file)
    store.client.restore_experiment(experiment)
    assert send(sqlite_location, journal_file) == {}
    check(sqlite_location, "x")


def test_a_run_that_was_deleted_when_it_was_whole_stays_deleted(
    sqlite_location: TrackingLocation, journal_file: Path, written: list[StudyEvent]
) -> None:
    (run,) = recorded_trials(sqlite_location, "r")[1]
    connect(sqlite_location).client.delete_run(run.run_id)
    assert record(sqlite_location, journal_file, "r") is None
    assert send(sqlite_location, journal_file) == {}
    assert sorted(recorded_trials(sqlite_location, "r")) == [0, 2]


def test_an_epoch_that_a_store_missed_is_sent_before_the_end(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(pause=0.0, grace=0.0)
    recorder = MlflowRecorder(sqlite_location, study_of("m"), journal_file, patience=patience)
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)

    def away(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise mlflow.MlflowException("away")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", away)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    check(sqlite_location, "m")


def away(*_: object, **__: object) -> None:
    raise mlflow.MlflowException("away")


def test_a_trial_that_ended_the_same_way_twice_has_the_epochs_in_between(
    sqlite_location: TrackingLocation,
    journal_file: Path,
    written: list[StudyEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience = Patience(pause=0.0, grace=0.0)
    recorder = MlflowRecorder(sqlite_location, study_of("r"), journal_file, patience=patience)
    recorder.ready()
    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", away)
    recorder.start_trial(trial_of(0))
    recorder.log_epoch(0, 3, {"valid/mae": 1.0})
    recorder.end_trial(0, OUTCOMES[0])
    recorder.finish(SUMMARY)
    monkeypatch.undo()
    assert send(sqlite_location, journal_file) == {}
    (run,) = recorded_trials(sqlite_location, "r")[0]
    assert (run.status, run.epochs) == ("FINISHED", (1, 2, 3))


@pytest.mark.parametrize("seconds_late", [None, -1, 1])
def test_a_creation_without_an_answer_makes_one_run(
    seconds_late: int | None,
    sqlite_location: TrackingLocation,
    journal_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    working = mlflow.MlflowClient.create_run
    waiting: list[Request] = []

    def slow(client: mlflow.MlflowClient, *args: object, **named: object) -> object:
        if named["run_name"] != "trial 0":
            return working(client, *args, **named)
        if waiting:
            waiting.pop()()
            return working(client, *args, **named)
        if seconds_late is None:
            working(client, *args, **named)
            monkeypatch.undo()
        else:
            # Which of the two is found first must not matter.
            named["start_time"] = int(str(named["start_time"])) + 1000 * seconds_late
            waiting.append(partial(working, client, *args, **named))
        raise mlflow.MlflowException("timed out")

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", slow)
    patience = Patience(pause=0.0)
    recorder = MlflowRecorder(sqlite_location, study_of("s"), journal_file, patience=patience)
    recorder.start_trial(trial_of(0))
    run_id = recorder.run_id(0)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    check(sqlite_location, "s")
    assert recorded_trials(sqlite_location, "s")[0][0].run_id == run_id
    store = connect(sqlite_location)
    deleted = store.client.search_runs(
        store.experiments("dlf-"), run_view_type=ViewType.DELETED_ONLY
    )
    assert len(deleted) == (seconds_late is not None)


def test_a_journal_behind_its_store_sends_nothing_twice(
    sqlite_location: TrackingLocation, journal_file: Path, written: list[StudyEvent]
) -> None:
    lines = journal_file.read_bytes().splitlines(keepends=True)
    journal_file.write_bytes(b"".join(lines[:4]))
    assert record(sqlite_location, journal_file, "r") is None
    check(sqlite_location, "r")


def test_without_its_journal_a_study_goes_on_from_what_the_store_has(
    sqlite_location: TrackingLocation, journal_file: Path, written: list[StudyEvent]
) -> None:
    journal_file.unlink()
    recorder = MlflowRecorder(sqlite_location, study_of("r"), journal_file)
    recorder.end_trial(0, OUTCOMES[0])
    recorder.start_trial(trial_of(1))
    for epoch in EPOCHS:
        recorder.log_epoch(1, epoch, {"valid/mae": 3.0})
    recorder.end_trial(1, OUTCOMES[1])
    assert recorder.finish(SUMMARY) is None
    check(sqlite_location, "r")
