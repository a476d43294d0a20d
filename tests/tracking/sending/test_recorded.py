from pathlib import Path

import pytest

from dlf.command import BadInputError
from tests.support.recording import study_of, trial_of
from tracking.records import Ending, Outcome, Summary, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import RecordedRun, recorded_trials
from tracking.store.location import TrackingLocation, resolve
from tracking.store.mlflow_store import MlflowStore


def test_trials_are_told_with_what_is_twice(
    location: TrackingLocation, store: MlflowStore, journal_file: Path
) -> None:
    key = f"recorded-{location.uri.partition(':')[0]}"
    recorder = MlflowRecorder(location, study_of(key), journal_file)
    recorder.start_trial(trial_of(1))
    for epoch, best in ((1, 0.9), (2, 0.8)):
        recorder.log_epoch(1, epoch, {"valid/mae": 1.0, "valid/best_mae": best})
    recorder.end_trial(1, Outcome(state=TrialState.PRUNED))
    recorder.start_trial(trial_of(2))
    recorder.finish(Summary(ending=Ending.INTERRUPTED))
    run_id = recorder.run_id(1)
    store.log(run_id, metrics={"valid/mae": 7.0}, step=2, time_ms=1)
    params = {"learning_rate": "0.1", "batch_size": "16"}
    trials = recorded_trials(location, key)
    assert trials[1] == [
        RecordedRun(
            run_id=run_id,
            status="KILLED",
            state="pruned",
            epochs=(1, 2, 2),
            best=0.8,
            params=params,
        )
    ]
    assert [(run.state, run.epochs, run.best) for run in trials[2]] == [("interrupted", (), None)]
    again = store.create_run(
        store.client.get_run(run_id).info.experiment_id,
        "trial 1",
        {"dlf.study_key": key, "dlf.trial": "1"},
        0,
    )
    assert {run.run_id for run in recorded_trials(location, key)[1]} == {run_id, again}


@pytest.mark.parametrize("key", ["unknown"])
def test_an_unknown_study_has_no_trials(location: TrackingLocation, key: str) -> None:
    assert recorded_trials(location, key) == {}


def test_a_store_that_does_not_exist_is_named_and_not_made(tmp_path: Path) -> None:
    location = resolve(f"sqlite:///{tmp_path}/absent.db")
    with pytest.raises(BadInputError, match=r"there is no tracking store sqlite:///.*absent.db"):
        recorded_trials(location, "k")
    assert not (tmp_path / "absent.db").exists()
