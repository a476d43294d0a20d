"""What one way to search has come to in the end, and what its stores say of it."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measurement import Record
from tracking.records import trial_metric
from tracking.store.connection import quiet_mlflow
from tracking.store.location import SQLITE_PREFIX
from tracking.store.run_status import RUNNING


class Searched(Record):
    """The outcome of a search, as the process that ran it tells it."""

    trials: int
    epochs: int
    """trained in all"""
    training_seconds: float
    """of all epochs, validation included"""
    best_mae: float
    """the lowest validation MAE"""
    stopped: int
    """trials that the scheduler ended before their last epoch"""
    told_pruned: int | None
    """trials that the Optuna study has as PRUNED; none where there is no study"""
    runs: Mapping[str, int]
    """runs of trials in MLflow, by their status"""

    @property
    def true_to_optuna(self) -> bool | None:
        """Whether all trials that were stopped, and no others, are told as such; none without."""
        return None if self.told_pruned is None else self.told_pruned == self.stopped

    @property
    def true_to_mlflow(self) -> bool | None:
        """Whether MLflow tells what was stopped from what was not; none where it was told nothing.

        One status for both says nothing; a run that is still RUNNING is not true of any trial.
        """
        if not self.runs:
            return None
        told_apart = self.runs.get("FINISHED", 0) == self.trials - self.stopped
        return told_apart and sum(self.runs.values()) == self.trials and RUNNING not in self.runs


def runs_by_status(database: Path, *, with_tag: str | None = None) -> dict[str, int]:
    """Count the runs in a sqlite store of MLflow; with a tag's name, only those that have it."""
    return dict(Counter(run.info.status for run in _runs(database, with_tag)))


def trained_seconds(database: Path, *, with_tag: str) -> float:
    """Return the seconds of all epochs of the trials in a store of ours."""
    metrics = [run.data.metrics for run in _runs(database, with_tag)]
    per_epoch, epochs = trial_metric("seconds_per_epoch"), trial_metric("epochs")
    return float(sum(each[per_epoch] * each[epochs] for each in metrics))


def _runs(database: Path, with_tag: str | None) -> list[Any]:
    quiet_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient(f"{SQLITE_PREFIX}{database}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=1000)
    return [run for run in runs if with_tag is None or with_tag in run.data.tags]


def last_line(output: str) -> str:
    """Return the JSON object with which a command ends."""
    line = output.rstrip().rpartition("\n")[2]
    json.loads(line)
    return line
