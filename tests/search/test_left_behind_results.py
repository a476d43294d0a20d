"""What a driver that was killed while it kept a trial's results has left to the next one."""

from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pytest
from optuna.trial import TrialState as OptunaState

from dlf.command import WorkFailedError
from dlf.trained_model import WEIGHTS_FILE, TrainedModel
from search.recording.kept_results import EndedTrial, KeptResults
from search.study.identity import StudyIdentity
from search.trial.checkpoints import Checkpoints
from tests.support.kept_study import Kept, two_trainings
from tests.support.searches import Search
from tests.support.simulation import SimulatedSearch
from tests.support.small_models import SMALL
from tracking.records import Outcome
from tracking.run_names import PREDICTIONS_FILE as SENT_PREDICTIONS_FILE
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.study_files import StudyFiles


class Left(NamedTuple):
    """What a killed driver leaves."""

    study: optuna.Study
    identity: StudyIdentity


@pytest.fixture(scope="module")
def state(tiny_data: Path) -> dict[str, Any]:
    return two_trainings(tiny_data)


@pytest.fixture
def kept(tmp_path: Path, tiny_data: Path) -> Kept:
    return Kept(tmp_path, tiny_data)


@pytest.fixture
def left(kept: Kept, state: dict[str, Any], simulated: SimulatedSearch) -> Left:
    """Four trials that ended without anybody being told, and one that is under way."""
    study = optuna.create_study(storage=None)
    ends = (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.FAIL, OptunaState.COMPLETE)
    for number, end in enumerate((*ends, None)):
        trial = study.ask()
        trial.report(0.5 + number / 10, step=1)
        kept.write(number, 0.5 + number / 10, state)
        if end is not None:
            complete = end is OptunaState.COMPLETE
            study.tell(trial, 0.5 + number / 10 if complete else None, state=end)
    # Its checkpoint was removed as the last of what is done at an end.
    kept.checkpoints.discard(3)
    identity = simulated.identity.model_copy(update={"paper": SMALL, "base": SMALL})
    return Left(study, identity)


def test_what_a_killed_driver_did_not_keep_is_kept_by_the_next(kept: Kept, left: Left) -> None:
    kept.results(models=1).keep_left_behind(*left)
    there = [number for number in range(5) if kept.files.predictions(number).exists()]
    assert there == [0, 1, 2]
    assert TrainedModel.load(kept.files.model(0)).config == SMALL
    assert kept.changes[-1] == [0]
    assert kept.told == []


def test_what_is_kept_already_is_only_told_again(
    kept: Kept, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.results(models=1).keep_left_behind(*left)

    def refuse(*_: object) -> None:
        raise AssertionError("it is read again")

    monkeypatch.setattr(Checkpoints, "read", refuse)
    monkeypatch.setattr(Checkpoints, "read_predictions", refuse)
    kept.results(models=1, values={0: 0.5}).keep_left_behind(*left)
    assert kept.changes[-1] == [0]
    assert len(kept.changes) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
def test_a_search_that_dies_while_it_keeps_a_trial_has_lost_nothing_of_it(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, size = Search(tmp_path, tiny_data), ("--trials", 2, "--max-epochs", 1)

    def die(_: KeptResults, trial: EndedTrial) -> None:
        raise WorkFailedError(f"died with trial {trial.number}")

    with monkeypatch.context() as dying:
        dying.setattr(KeptResults, "_keep_predictions", die)
        first = search.run(*size)
    assert (first.code, first.err.splitlines()[-1]) == (1, "died with trial 0")
    assert search.states[0] == "COMPLETE"
    files = StudyFiles(search.place.folder)
    assert not files.predictions(0).exists()
    kept_before_told: list[bool] = []
    tell = MlflowRecorder.end_trial

    def tell_of_end(recorder: MlflowRecorder, number: int, outcome: Outcome) -> None:
        kept_before_told.append(files.predictions(number).exists())
        tell(recorder, number, outcome)

    monkeypatch.setattr(MlflowRecorder, "end_trial", tell_of_end)
    again = search.run("--resume", *size)
    assert again.code == 0, again.err
    assert all(kept_before_told)
    assert search.audit() == []
    assert files.all_models().keys() == {0, 1}
    for name in (SENT_PREDICTIONS_FILE, WEIGHTS_FILE):
        assert len(list((tmp_path / "mlartifacts").rglob(name))) == 2, name
