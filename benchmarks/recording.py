"""How long recorders take for complete trials that they are only told of: ours, and Ray's own."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ray.air.constants import TRAINING_ITERATION

from benchmarks.measurement import Record
from benchmarks.simulated_driver import made_up_facts, made_up_record, recorder_on_sqlite
from dlf.config import Config
from dlf.training.training import EpochRecord
from tracking.predictions import Predictions, write_predictions
from tracking.records import Ending, Outcome, Summary, TrialRecord, TrialState
from tracking.store.connection import quiet_mlflow
from tracking.store.location import ARTIFACTS_FOLDER, DATABASE_FILE
from tracking.study_files import StudyFiles

TRIAL_EPOCHS = 30
"""of a trial that is only told of"""
CLIPS = 229
"""of MOSI's validation split"""


class Recording(Record):
    """What recording trials took, in seconds."""

    trials: int
    epochs: int = TRIAL_EPOCHS
    """of each"""
    background: float
    """until everything was in the store"""
    teller: float
    """for which whoever told the recorder was held up"""
    megabytes: float
    """on the disk, of database and artifacts"""

    @property
    def teller_ms_per_report(self) -> float:
        """Milliseconds for which a report holds up whoever tells it."""
        return 1e3 * self.teller / (self.trials * self.epochs)


def record(trials: int) -> Recording:
    """Tell a recorder of complete trials, and wait until they are in the store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = StudyFiles(folder)
        for number in range(trials):
            files.predictions(number).parent.mkdir(exist_ok=True)
            write_predictions(files.predictions(number), made_up_predictions(number))
        recorder = recorder_on_sqlite(folder)
        started = time.perf_counter()
        for number in range(trials):
            recorder.start_trial(made_up_trial(number))
            for made_up in made_up_epochs():
                recorder.log_epoch(number, made_up.epoch, made_up.named())
            recorder.log_facts(number, made_up_facts(epochs=TRIAL_EPOCHS))
            recorder.end_trial(number, Outcome(state=TrialState.COMPLETE))
        told = time.perf_counter()
        recorder.finish(Summary(ending=Ending.FINISHED))
        ended = time.perf_counter()
        stored = [folder / DATABASE_FILE, *(folder / ARTIFACTS_FOLDER).rglob("*")]
        size = sum(path.stat().st_size for path in stored if path.is_file())
    return Recording(
        trials=trials, background=ended - started, teller=told - started, megabytes=size / 1e6
    )


def made_up_trial(number: int) -> TrialRecord:
    """Return a trial of the paper's configuration, as a search would tell of it."""
    params = {f"parameter_{i}": 1 / (i + number + 1) for i in range(16)}
    return TrialRecord(
        number=number,
        name=f"trial {number}",
        params=params,
        config_yaml=Config().to_yaml(),
        seed=number,
    )


def made_up_epochs() -> Iterator[EpochRecord]:
    """Return the epochs of a trial that gets better and better."""
    for epoch in range(1, TRIAL_EPOCHS + 1):
        yield made_up_record(epoch, 1 / epoch, finished=epoch == TRIAL_EPOCHS)


def made_up_predictions(number: int) -> Predictions:
    """Return predictions that are labels and some noise."""
    generator = np.random.default_rng(number)
    labels = generator.uniform(-3, 3, CLIPS).astype(np.float32)
    noise = generator.normal(0, 0.8, CLIPS).astype(np.float32)
    return Predictions([f"clip_{i}" for i in range(CLIPS)], labels, labels + noise)


class StockTrial:
    """As much of a trial as the stock callback looks at."""

    def __init__(self, number: int, folder: str) -> None:
        self.config = dict(made_up_trial(number).params)
        self.local_path = folder
        self._name = f"trial-{number}"

    def __str__(self) -> str:
        return self._name


def stock_ms_per_report(trials: int) -> float:
    """Return the milliseconds that Ray's own callback holds the driver up, for each report."""
    quiet_mlflow()
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    with tempfile.TemporaryDirectory() as folder:
        callback = MLflowLoggerCallback(
            tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock"
        )
        callback.setup()
        held_up = 0.0
        for number in range(trials):
            trial: Any = StockTrial(number, folder)
            callback.log_trial_start(trial)
            for made_up in made_up_epochs():
                result = {**made_up.named(), TRAINING_ITERATION: made_up.epoch}
                started = time.perf_counter()
                callback.log_trial_result(made_up.epoch, trial, result)
                held_up += time.perf_counter() - started
            callback.log_trial_end(trial)
    return 1e3 * held_up / (trials * TRIAL_EPOCHS)
