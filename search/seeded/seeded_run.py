"""Runs trainings on several seeds on Ray, those of a promotion and those of an ablation alike."""

from collections.abc import Callable, Sequence
from pathlib import Path

from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import Workplace
from search.recording.kept_results import KeptResults
from search.seeded.seeded_trainings import SeededTrainings
from tracking.recorder import Recorder, Recorders
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.study_files import StudyFiles


def train_seeded(
    trainings: SeededTrainings,
    workplace: Workplace,
    folder: Path,
    mlflow: MlflowRecorder,
    onlookers: Sequence[Recorder],
    tell: Callable[[str], None],
) -> None:
    """Train what an earlier process has not trained, and tell MLflow of all ends.

    Args:
        trainings: of which some may have ended before.
        workplace: the data, each training's part of the machine, and their checkpoints.
        folder: of the promotion or the ablation; absolute.
        mlflow: where they are recorded.
        onlookers: who else hears of those that are trained now.
        tell: hears of what could not be kept.
    """
    for number, outcome in trainings.ended_before.items():
        mlflow.end_trial(number, outcome)
        workplace.checkpoints.discard(number)
    kept = KeptResults(
        workplace.checkpoints, StudyFiles(folder), workplace.data, models=0, tell=tell
    )
    ledger = TrialLedger(trainings, Recorders([kept, mlflow, *onlookers]))
    run_trials(ledger, workplace, folder, tell=tell)
    for note in trainings.told:
        tell(note)
