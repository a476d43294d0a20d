"""A small study with everything that people look at: recorded as by a search, without training."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from search.recording.study_report import write_report
from search.study.budget import Budget
from search.study.records import last_value
from search.trial.plan import TrialPlan
from tests.support.epoch_records import epoch_record
from tests.support.mlflow_server import MlflowServer
from tests.support.simulation import SimulatedSearch, planted_mae
from tracking.journal.file import TRACKING_FILE
from tracking.predictions import Predictions, write_predictions
from tracking.recorder import Recorders
from tracking.records import Ending, Outcome, StudyRecord, Summary, TrialRecord
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.location import resolve
from tracking.study_files import StudyFiles

NAME = "synthetic-demo"
TRIALS = 9
FAILING, REASON = 2, "loss/total is nan"
CLIPS = 60

PROJECT = Path(__file__).parents[2]


class ShownTrial(NamedTuple):
    """A trial, as people should see it."""

    record: TrialRecord
    outcome: Outcome
    best_mae: float | None
    link: str
    """to its run, where `make ui` shows it"""


class Shown(NamedTuple):
    """A store that is served, and what is in it."""

    address: str
    trials: dict[int, ShownTrial]


class MadeUi(MlflowServer):
    """The MLflow UI as `make ui` opens it on the store in a folder."""

    def _command(self) -> list[str]:
        return ui_command(self._folder, self._port)


def ui_command(folder: Path, port: int) -> list[str]:
    """Return the command that opens the UI in a folder as if it were the project's."""
    for name, target in (("Makefile", PROJECT / "Makefile"), (".venv", Path(sys.prefix))):
        if not (folder / name).exists():
            (folder / name).symlink_to(target)
    # What is installed stays as it is, however old it is.
    return ["make", "-C", str(folder), "-o", ".venv/installed", "ui", f"PORT={port}"]


def record_shown_study(folder: Path) -> dict[int, ShownTrial]:
    """Search without training into the `mlflow.db` of a folder; return the trials by number."""
    search = SimulatedSearch(folder / "runs", epoch_record, name=NAME)
    search.source(Budget(trials=TRIALS))
    opened, files = search.place.load(), StudyFiles(search.place.folder)
    (files.folder / "predictions").mkdir()
    told = search.recorder
    mlflow = MlflowRecorder(
        resolve(f"sqlite:///{folder}/mlflow.db"),
        StudyRecord(name=NAME, key=opened.key, dataset="synthetic", tags={}),
        files.folder / TRACKING_FILE,
    )
    search.recorder = Recorders([told, mlflow])  # type: ignore[assignment]

    def curve(plan: TrialPlan, epoch: int) -> float:
        if (plan.number, epoch) == (FAILING, 2):
            raise ArithmeticError(REASON)
        if epoch == 1:
            _predict(files.predictions(plan.number))
        return planted_mae(plan.params, epoch)

    study = search.run(TRIALS, curve=curve)
    assert mlflow.run_id(TRIALS - 1)
    links = mlflow.links()
    write_report(opened, files.folder, links)
    assert mlflow.finish(Summary(ending=Ending.FINISHED)) is None
    assert mlflow.unsent is None
    return {
        each.number: ShownTrial(
            each, told.ended[each.number], last_value(study.trials[each.number]), links[each.number]
        )
        for each in told.started
    }


def _predict(file: Path) -> None:
    labels = np.linspace(-3, 3, CLIPS, dtype=np.float32)
    names = [f"clip-{i}" for i in range(CLIPS)]
    write_predictions(file, Predictions(names, labels, 0.8 * labels))
