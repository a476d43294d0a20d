"""What a store refuses, and what cannot be drawn: all else arrives, and it is said what lacks."""

from pathlib import Path

import mlflow
import numpy as np
import pytest

from tests.support.recording import (
    OUTCOMES,
    STATUSES,
    SUMMARY,
    check,
    study_of,
    study_run_of,
    tell,
    trial_of,
)
from tracking.predictions import Predictions, write_predictions
from tracking.records import Outcome, TrialFacts, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import recorded_trials
from tracking.store.connection import connect
from tracking.store.errors import StoreRefusedError
from tracking.store.location import TrackingLocation
from tracking.study_files import StudyFiles
from tracking.sync import sync

FACTS = TrialFacts(
    host="here",
    device="cpu",
    device_share="1 CPU",
    parameters=10,
    epochs=2,
    seconds_per_epoch=1.0,
    samples_per_second=2.0,
    peak_memory_mb=3.0,
)


def files_of(location: TrackingLocation, key: str, number: int, folder: str = "") -> set[str]:
    (run,) = recorded_trials(location, key)[number]
    listed = connect(location).client.list_artifacts(run.run_id, folder or None)
    return {file.path for file in listed}


def tags_of(location: TrackingLocation, key: str, number: int) -> dict[str, str]:
    (run,) = recorded_trials(location, key)[number]
    return dict(connect(location).client.get_run(run.run_id).data.tags)


def test_without_artifacts_all_else_arrives_and_sync_completes_it(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    told: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("log_text", "log_artifact"):
            patch.setattr(mlflow.MlflowClient, name, refuse)
        recorder = MlflowRecorder(sqlite_location, study_of("none"), journal_file, tell=told.append)
        tell(recorder, journal_file)
        (journal_file.parent / "report.html").write_text("a report")
        assert recorder.finish(SUMMARY) is None
    assert told == ["tracking: a part of trial 0 is refused (Permission denied)"]
    assert recorder.unsent is not None
    assert "refused a part of 3 trials (trial 0: Permission denied)" in recorder.unsent
    assert "a part of the study's own run (Permission denied)" in recorder.unsent
    for number, (run,) in recorded_trials(sqlite_location, "none").items():
        assert (run.status, run.epochs) == (STATUSES[number], (1, 2))
        assert tags_of(sqlite_location, "none", number)["dlf.lacking"] == "Permission denied"
    study = connect(sqlite_location).client.get_run(study_run_of(sqlite_location, "none"))
    assert study.info.status == "FINISHED"

    assert sync(sqlite_location, journal_file).words is None
    check(sqlite_location, "none")
    assert "dlf.lacking" not in tags_of(sqlite_location, "none", 0)
    listed = connect(sqlite_location).client.list_artifacts(study.info.run_id)
    assert [file.path for file in listed] == ["report.html"]


def test_a_trial_of_which_an_epoch_is_refused_ends_in_its_true_state(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreRefusedError("an odd number")

    recorder = MlflowRecorder(sqlite_location, study_of("odd"), journal_file)
    recorder.start_trial(trial_of(0))
    recorder.run_id(0)
    monkeypatch.setattr("tracking.store.mlflow_store.MlflowStore.log_steps", refuse)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    monkeypatch.undo()
    assert recorder.unsent is not None
    assert "refused a part of 3 trials (trial 0: an odd number)" in recorder.unsent
    runs = recorded_trials(sqlite_location, "odd")
    assert {n: run.status for n, (run,) in runs.items()} == dict(enumerate(STATUSES))
    assert sync(sqlite_location, journal_file).words is None
    check(sqlite_location, "odd")


def test_figures_that_cannot_be_drawn_cost_nothing_else(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tracking.sending.trial_pictures.TrialPictures.draw", full)
        recorder = MlflowRecorder(sqlite_location, study_of("full"), journal_file)
        tell(recorder, journal_file)
        assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is not None
    assert "its figures cannot be drawn: [Errno 28] No space left" in recorder.unsent
    assert sync(sqlite_location, journal_file).words is None
    check(sqlite_location, "full")


def test_predictions_are_drawn_of_complete_trials(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    files = StudyFiles(journal_file.parent)
    labels = np.linspace(-3, 3, 9, dtype=np.float32)
    for number in range(3):
        files.predictions(number).parent.mkdir(exist_ok=True)
        table = Predictions([f"{i}" for i in range(9)], labels, labels / 2)
        write_predictions(files.predictions(number), table)
    files.predictions(1).write_bytes(b"no table")
    recorder = MlflowRecorder(sqlite_location, study_of("p"), journal_file)
    tell(recorder, journal_file)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is None
    always = {"config.yaml", "learning_curves.png", "valid_predictions.parquet"}
    complete = {"valid_confusion.png", "valid_predicted_against_true.png"}
    assert files_of(sqlite_location, "p", 0) == always | complete
    assert files_of(sqlite_location, "p", 1) == always
    assert files_of(sqlite_location, "p", 2) == always


class Models:
    """A study of four trials, some of which have models on this machine."""

    def __init__(self, location: TrackingLocation, journal_file: Path) -> None:
        self.location = location
        self.files = StudyFiles(journal_file.parent)
        self.journal_file = journal_file

    def recorder(self) -> MlflowRecorder:
        recorder = MlflowRecorder(self.location, study_of("m"), self.journal_file)
        for number in range(4):
            recorder.start_trial(trial_of(number))
        return recorder

    def keep(self, recorder: MlflowRecorder, *numbers: int) -> None:
        for number in numbers:
            self.files.model(number).mkdir(parents=True, exist_ok=True)
            (self.files.model(number) / "card.json").write_text(str(number))
        recorder.keep_models(numbers)

    def there(self) -> set[int]:
        return {n for n in range(4) if files_of(self.location, "m", n, "model")}


@pytest.fixture
def models(location: TrackingLocation, journal_file: Path) -> Models:
    name = location.uri.partition(":")[0]
    return Models(location, journal_file.with_name(f"{name}.jsonl"))


def test_the_models_that_are_kept_replace_one_another(models: Models) -> None:
    recorder = models.recorder()
    models.keep(recorder, 0, 1)
    models.keep(recorder, 1, 3)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is None
    assert models.there() == {1, 3}
    assert tags_of(models.location, "m", 1)["dlf.model"] == "kept"
    assert "dlf.model" not in tags_of(models.location, "m", 0)


def test_a_model_that_is_gone_from_this_machine_stays_in_the_store(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    models = Models(sqlite_location, journal_file)
    recorder = models.recorder()
    models.keep(recorder, 0, 1)
    recorder.finish(SUMMARY)
    for number in (0, 1):
        (models.files.model(number) / "card.json").unlink()
        models.files.model(number).rmdir()
    assert sync(sqlite_location, journal_file).words is None
    assert models.there() == {0, 1}
    journal_file.unlink()
    recorder = models.recorder()
    models.keep(recorder, 2)
    recorder.finish(SUMMARY)
    assert models.there() == {0, 1, 2}


def test_a_deleted_run_does_not_hinder_the_models_of_others(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    models = Models(sqlite_location, journal_file)
    recorder = models.recorder()
    models.keep(recorder, 0)
    for number in range(4):
        recorder.end_trial(number, Outcome(state=TrialState.COMPLETE))
    connect(sqlite_location).client.delete_run(recorder.run_id(0))
    models.keep(recorder, 1)
    models.keep(recorder, 1, 2)
    assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is None
    assert {n for n in (1, 2, 3) if files_of(sqlite_location, "m", n, "model")} == {1, 2}


def test_facts_arrive_once_and_again_after_further_epochs(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    for epochs in (2, 2, 3):
        recorder = MlflowRecorder(sqlite_location, study_of("f"), journal_file)
        recorder.start_trial(trial_of(0))
        recorder.log_epoch(0, epochs, {"valid/mae": 1.0})
        recorder.log_facts(0, FACTS.model_copy(update={"epochs": epochs}))
        recorder.end_trial(0, OUTCOMES[0])
        assert recorder.finish(SUMMARY) is None
    (run,) = recorded_trials(sqlite_location, "f")[0]
    store = connect(sqlite_location)
    for name, value in FACTS.model_copy(update={"epochs": 3}).metrics().items():
        history = store.client.get_metric_history(run.run_id, name)
        assert [point.step for point in history] == [2, 3]
        assert history[-1].value == value
    assert tags_of(sqlite_location, "f", 0)["dlf.host"] == "here"


def test_an_end_that_is_told_without_its_journal_does_not_move(
    sqlite_location: TrackingLocation, journal_file: Path
) -> None:
    ends = []
    for first in (True, False):
        recorder = MlflowRecorder(sqlite_location, study_of("e"), journal_file)
        if first:
            recorder.start_trial(trial_of(2))
        recorder.end_trial(2, OUTCOMES[2])
        recorder.finish(SUMMARY)
        (run,) = recorded_trials(sqlite_location, "e")[2]
        ends.append(connect(sqlite_location).client.get_run(run.run_id).info.end_time)
        journal_file.unlink()
    assert ends[0] == ends[1]


def test_an_interrupted_wait_for_the_store_leaves_the_rest_to_sync(
    sqlite_location: TrackingLocation, journal_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    recorder = MlflowRecorder(sqlite_location, study_of("c"), journal_file)
    tell(recorder, journal_file)
    with monkeypatch.context() as patch:
        patch.setattr("tracking.sending.sender.Sender.finish", interrupted)
        assert recorder.finish(SUMMARY) is None
    assert recorder.unsent is not None
    assert "(it was not waited for)" in recorder.unsent
    assert sync(sqlite_location, journal_file).words is None
    check(sqlite_location, "c")
