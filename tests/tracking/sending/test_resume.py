import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from tests.support import recording
from tests.support.mlflow_server import MlflowServer
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
from tracking.journal.file import journaled_trials
from tracking.records import Ending, Outcome, Summary, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import recorded_trials
from tracking.sending.sender import Patience
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation, resolve

WRITES = ("create_run", "log_batch", "log_text", "set_terminated", "update_run", "delete_tag")
INTERRUPTED = Summary(ending=Ending.INTERRUPTED)


def record(location: TrackingLocation, file: Path, key: str) -> str | None:
    recorder = MlflowRecorder(location, study_of(key), file)
    tell(recorder, file)
    return recorder.finish(SUMMARY) or recorder.unsent


def recording_process(location: TrackingLocation, file: Path, key: str) -> "subprocess.Popen[str]":
    command = [sys.executable, recording.__file__, location.uri, str(file), key]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_recording_that_is_killed_again_and_again_is_whole_in_the_end(
    location: TrackingLocation, journal_file: Path
) -> None:
    key = f"killed-{location.uri.partition(':')[0]}"
    for lines in (1, 6, 4):
        process = recording_process(location, journal_file, key)
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    last = recording_process(location, journal_file, key)
    assert last.communicate()[0].splitlines()[-1] == "None"
    check(location, key)
    trials = journaled_trials(journal_file)
    assert {n: trial.epochs for n, trial in trials.items()} == dict.fromkeys(range(3), EPOCHS)
    assert tuple(trial.outcome for trial in trials.values()) == OUTCOMES


@pytest.mark.slow
def test_a_recording_that_dies_after_any_request_is_whole_in_the_end(
    sqlite_location: TrackingLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, requests = 0, 0

    def mortal(name: str) -> Callable[..., object]:
        working = getattr(mlflow.MlflowClient, name)

        def request(*args: object, **named: object) -> object:
            nonlocal requests
            requests += 1
            if requests > last:
                raise mlflow.MlflowException("killed")
            return working(*args, **named)

        return request

    while requests >= last:
        key, requests = f"dies-after-{last}", 0
        with monkeypatch.context() as patch:
            for name in WRITES:
                patch.setattr(mlflow.MlflowClient, name, mortal(name))
            patience = Patience(pause=0.0, grace=0.0)
            recorder = MlflowRecorder(
                sqlite_location, study_of(key), tmp_path / key, patience=patience
            )
            tell(recorder, tmp_path / key)
            recorder.finish(SUMMARY)
        assert record(sqlite_location, tmp_path / key, key) is None
        check(sqlite_location, key)
        last += 1
    assert last > 20


def test_a_server_may_die_in_the_middle(mortal_server: MlflowServer, journal_file: Path) -> None:
    location = resolve(mortal_server.address)
    patience = Patience(pause=0.1)
    recorder = MlflowRecorder(location, study_of("server"), journal_file, patience=patience)
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    recorder.log_epoch(0, 1, {"valid/mae": 1.0})
    mortal_server.kill()
    tell(recorder, journal_file)
    mortal_server.start()
    assert recorder.finish(SUMMARY) is None
    check(location, "server")


@pytest.mark.slow
def test_what_a_server_that_stays_away_lacks_is_sent_on_resume(
    mortal_server: MlflowServer, journal_file: Path
) -> None:
    location = resolve(mortal_server.address)
    patience = Patience(pause=0.01, grace=0.0)
    recorder = MlflowRecorder(location, study_of("away"), journal_file, patience=patience)
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    mortal_server.kill()
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is not None
    assert f"all of it is in {journal_file}" in recorder.unsent
    mortal_server.start()
    assert record(location, journal_file, "away") is None
    check(location, "away")


def test_an_interrupted_trial_goes_on_in_its_run(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    first = MlflowRecorder(sqlite_location, study_of("i"), journal_file)
    first.start_trial(trial_of(0))
    first.log_epoch(0, 1, {"valid/mae": 1.0})
    assert first.finish(INTERRUPTED) is None
    (run,) = recorded_trials(sqlite_location, "i")[0]
    assert (run.status, run.state, run.epochs) == ("KILLED", "interrupted", (1,))
    study_run = study_run_of(sqlite_location, "i")

    second = MlflowRecorder(sqlite_location, study_of("i"), journal_file)
    assert (second.run_id(0), study_run_of(sqlite_location, "i")) == (run.run_id, study_run)
    assert connect(sqlite_location).client.get_run(study_run).info.status == "RUNNING"
    second.start_trial(trial_of(0))
    second.log_epoch(0, 1, {"valid/mae": 9.0})
    second.log_epoch(0, 2, {"valid/mae": 0.9})
    assert second.run_id(0) == run.run_id
    started = connect(sqlite_location).client.get_run(run.run_id)
    assert (started.info.status, started.data.tags["dlf.state"]) == ("RUNNING", "running")
    second.end_trial(0, Outcome(state=TrialState.PRUNED))
    assert second.finish(INTERRUPTED) is None
    (run,) = recorded_trials(sqlite_location, "i")[0]
    assert (run.status, run.state, run.epochs) == ("KILLED", "pruned", (1, 2))


def test_a_trial_that_failed_can_go_on_and_end_otherwise(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    spent = Outcome(state=TrialState.PRUNED, reason="the time budget is spent")
    tags: list[dict[str, str]] = []
    store = connect(sqlite_location)
    for epoch, outcome in enumerate([OUTCOMES[2], spent, OUTCOMES[0], OUTCOMES[0]], start=1):
        recorder = MlflowRecorder(sqlite_location, study_of("f"), journal_file)
        recorder.start_trial(trial_of(0))
        recorder.log_epoch(0, epoch, {"valid/mae": 1.0})
        recorder.end_trial(0, outcome)
        assert recorder.finish(SUMMARY) is None
        tags.append(store.client.get_run(recorder.run_id(0)).data.tags)
    (run,) = recorded_trials(sqlite_location, "f")[0]
    assert (run.status, run.state, run.epochs) == ("FINISHED", "complete", (1, 2, 3, 4))
    failures = [found.get("dlf.failure") for found in tags]
    assert failures == ["the loss is not finite", None, None, None]
    reasons = [found.get("dlf.reason") for found in tags]
    assert reasons == [None, "the time budget is spent", None, None]
    points = store.points(study_run_of(sqlite_location, "f"), "valid/best_mae")
    assert [point.step for point in points] == [0, 1, 2, 3]


def test_a_trial_that_is_told_again_changes_nothing(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    assert record(sqlite_location, journal_file, "e") is None
    before = journal_file.read_text().count("trial ended")
    ends = [run.info.end_time for run in all_runs(sqlite_location, "e")]
    recorder = MlflowRecorder(sqlite_location, study_of("e"), journal_file)
    for number, outcome in enumerate(OUTCOMES):
        recorder.start_trial(trial_of(number))
        recorder.log_epoch(number, 1, {"valid/mae": 9.0})
        recorder.end_trial(number, outcome)
    recorder.end_trial(0, OUTCOMES[0])
    assert recorder.finish(SUMMARY) is None
    assert journal_file.read_text().count("trial ended") == before
    assert [run.info.end_time for run in all_runs(sqlite_location, "e")] == ends


def all_runs(location: TrackingLocation, key: str) -> list[mlflow.entities.Run]:
    client = connect(location).client
    return [
        client.get_run(runs[0].run_id) for _, runs in sorted(recorded_trials(location, key).items())
    ]
