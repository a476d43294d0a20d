import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from dlf.command import WorkFailedError
from tests.support.recording import study_run_of
from tracking.records import Ending, Outcome, StudyRecord, Summary, TrialRecord, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.sender import Patience
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation
from tracking.store.mlflow_store import MlflowStore

NOTHING = Summary(ending=Ending.FINISHED)
Trials = Callable[[int], TrialRecord]


def history(store: MlflowStore, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in store.client.get_metric_history(run_id, name)]


def record_three_trials(recorder: MlflowRecorder, trial: Trials) -> None:
    for number in range(3):
        recorder.start_trial(trial(number))
    for epoch in (1, 2):
        recorder.log_epoch(0, epoch, {"valid/mae": 1.0 / epoch, "loss/total": 2.0})
    recorder.log_epoch(1, 1, {"valid/mae": 1.4})
    recorder.end_trial(0, Outcome(state=TrialState.COMPLETE))
    recorder.end_trial(1, Outcome(state=TrialState.PRUNED))
    recorder.end_trial(2, Outcome(state=TrialState.FAILED, reason="the loss is not finite"))


def test_a_study_is_recorded_as_one_run_with_nested_runs(
    location: TrackingLocation,
    store: MlflowStore,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
) -> None:
    recorder = MlflowRecorder(location, study, journal_file)
    recorder.ready()
    record_three_trials(recorder, trial)
    recorder.finish(
        Summary(ending=Ending.FINISHED, tags={"dlf.best": "0"}, metrics={"best/valid_mae": 0.5})
    )

    parent = store.client.get_run(study_run_of(location, study.key))
    assert parent.info.run_name == study.name
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"best/valid_mae": 0.5}
    expected = {"dlf.best": "0", "dlf.data": "a digest", "dlf.study": study.name}
    assert expected.items() <= parent.data.tags.items()
    experiment = store.client.get_experiment(parent.info.experiment_id)
    assert experiment.name == "dlf-mosi"

    runs = [store.client.get_run(recorder.run_id(number)) for number in range(3)]
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "FAILED"]
    assert [run.info.run_name for run in runs] == ["trial 0", "trial 1", "trial 2"]
    assert [run.data.tags["dlf.state"] for run in runs] == ["complete", "pruned", "failed"]
    assert runs[2].data.tags["dlf.failure"] == "the loss is not finite"
    assert "dlf.failure" not in runs[0].data.tags
    for number, run in enumerate(runs):
        tags = run.data.tags
        assert tags["mlflow.parentRunId"] == study_run_of(location, study.key)
        assert (tags["dlf.trial"], tags["dlf.seed"]) == (str(number), "7")
        assert tags["dlf.study"] == study.name
        assert run.data.params == {
            "learning_rate": "0.30000000000000004",
            "batch_size": "16",
            "text": "frozen",
        }
    assert history(store, runs[0].info.run_id, "valid/mae") == [(1, 1.0), (2, 0.5)]
    assert history(store, runs[0].info.run_id, "loss/total") == [(1, 2.0), (2, 2.0)]
    assert history(store, runs[1].info.run_id, "valid/mae") == [(1, 1.4)]
    listed = [file.path for file in store.client.list_artifacts(runs[1].info.run_id)]
    assert listed == ["config.yaml", "learning_curves.png"]


def test_recording_leaves_the_terminal_alone(
    location: TrackingLocation,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
    capfd: pytest.CaptureFixture[str],
) -> None:
    recorder = MlflowRecorder(location, study, journal_file)
    record_three_trials(recorder, trial)
    recorder.finish(NOTHING)
    assert capfd.readouterr() == ("", "")


def test_a_configuration_can_be_read_again(
    location: TrackingLocation,
    store: MlflowStore,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
    tmp_path: Path,
) -> None:
    recorder = MlflowRecorder(location, study, journal_file)
    recorder.start_trial(trial(4))
    recorder.finish(NOTHING)
    file = store.client.download_artifacts(recorder.run_id(4), "config.yaml", str(tmp_path))
    assert Path(file).read_text() == "number: 4\n"


def test_an_interrupted_study_leaves_no_run_running(
    location: TrackingLocation,
    store: MlflowStore,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
) -> None:
    recorder = MlflowRecorder(location, study, journal_file)
    recorder.start_trial(trial(0))
    recorder.finish(Summary(ending=Ending.INTERRUPTED))
    assert store.client.get_run(study_run_of(location, study.key)).info.status == "KILLED"
    run = store.client.get_run(recorder.run_id(0))
    assert run.info.status == "KILLED"
    assert run.data.tags["dlf.state"] == "interrupted"


def test_artifacts_lie_beside_the_database(
    sqlite_location: TrackingLocation, study: StudyRecord, journal_file: Path, trial: Trials
) -> None:
    recorder = MlflowRecorder(sqlite_location, study, journal_file)
    recorder.start_trial(trial(0))
    recorder.finish(NOTHING)
    assert sqlite_location.database_file is not None
    beside = sqlite_location.database_file.parent / "mlartifacts"
    assert [f.read_text() for f in beside.rglob("config.yaml")] == ["number: 0\n"]


def test_a_store_that_vanishes_is_told_in_the_end_and_raises_nothing(
    sqlite_location: TrackingLocation,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience = Patience(pause=0.001, grace=0.1)
    recorder = MlflowRecorder(sqlite_location, study, journal_file, patience=patience)
    recorder.start_trial(trial(0))
    recorder.run_id(0)

    def gone(*_: object, **__: object) -> None:
        raise mlflow.MlflowException("the disk is gone\nand more")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", gone)
    monkeypatch.setattr(mlflow.MlflowClient, "set_terminated", gone)
    for epoch in range(1, 6):
        recorder.log_epoch(0, epoch, {"valid/mae": 1.0})
    recorder.end_trial(0, Outcome(state=TrialState.COMPLETE))
    assert recorder.finish(NOTHING) is None
    missing = recorder.unsent
    assert missing is not None
    assert "lacks a part of what was recorded (the disk is gone)" in missing
    assert str(journal_file) in missing
    assert "\n" not in missing


def test_a_store_that_comes_back_has_everything(
    sqlite_location: TrackingLocation,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = MlflowRecorder(sqlite_location, study, journal_file, patience=Patience(pause=0.001))
    recorder.ready()
    working, outages = mlflow.MlflowClient.log_batch, [1, 2, 3]

    def stumbling(client: mlflow.MlflowClient, *args: object, **named: object) -> None:
        if outages:
            outages.pop()
            raise mlflow.MlflowException("away")
        working(client, *args, **named)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", stumbling)
    record_three_trials(recorder, trial)
    recorder.finish(NOTHING)
    monkeypatch.undo()
    store = connect(sqlite_location)
    assert history(store, recorder.run_id(0), "valid/mae") == [(1, 1.0), (2, 0.5)]


def test_a_trial_without_a_run_is_told_as_such(
    sqlite_location: TrackingLocation,
    study: StudyRecord,
    journal_file: Path,
    trial: Trials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = MlflowRecorder(sqlite_location, study, journal_file)
    recorder.ready()

    def refuse(*_: object, **__: object) -> None:
        raise mlflow.MlflowException.invalid_parameter_value("no such run")

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", refuse)
    recorder.start_trial(trial(0))
    recorder.log_epoch(0, 1, {"valid/mae": 1.0})
    assert recorder.finish(NOTHING) is None
    assert recorder.unsent is not None
    assert "no such run" in recorder.unsent
    with pytest.raises(WorkFailedError, match="trial 0 has no run"):
        recorder.run_id(0)


QUIET_SEARCH = """
import sys, time
from tracking.store.location import resolve
from tracking.sending.mlflow_recorder import MlflowRecorder
from pathlib import Path
from tracking.records import StudyRecord, Summary
study = StudyRecord(name="s", dataset="mosi", tags={})
recorder = MlflowRecorder(resolve(None), study, Path("tracking.jsonl"))
recorder.ready()
recorder.finish(Summary(ending="finished"))
print(sorted({"ray", "optuna", "torch", "search"} & set(sys.modules)))
"""


def test_a_fresh_store_is_made_in_silence(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", QUIET_SEARCH],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert (tmp_path / "mlflow.db").is_file()
