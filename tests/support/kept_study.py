"""A folder in which trials end with made-up validation MAEs, and what keeps their results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlf.data import open_split, read_manifest
from dlf.metrics import Metrics
from dlf.text.source import TextSource
from dlf.training.replicates import Replicates
from dlf.training.training import EpochRecord, Training
from search.recording.kept_results import KeptResults
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from tests.support.small_models import SMALL
from tracking.records import Outcome, TrialRecord, TrialState
from tracking.study_files import StudyFiles

COMPLETE = Outcome(state=TrialState.COMPLETE)


class Kept:
    """A study's folder, in which trials end with made-up validation MAEs."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.labels = open_split("synthetic", data_dir, "valid").labels
        digest = read_manifest("synthetic", data_dir).digest
        text = TextSource(way="precomputed")
        self.data = TrialData(
            dataset="synthetic", dataset_digest=digest, data_dir=data_dir, text=text
        )
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")
        self.files = StudyFiles(folder)
        self.changes: list[Sequence[int]] = []
        self.told: list[str] = []

    def results(
        self, models: int = 2, values: Mapping[int, float] = {}, reached: Mapping[int, float] = {}
    ) -> KeptResults:
        return KeptResults(
            self.checkpoints,
            self.files,
            self.data,
            models=models,
            values=values,
            reached=reached,
            models_changed=self.changes.append,
            tell=self.told.append,
        )

    def end(
        self,
        results: KeptResults,
        number: int,
        value: float,
        state: Mapping[str, Any],
        outcome: Outcome = COMPLETE,
        *,
        spread: float = 0.01,
    ) -> None:
        if state:
            self.write(number, value, state, spread=spread)
        self.report_and_end(results, number, value, outcome)

    def write(
        self, number: int, value: float, state: Mapping[str, Any], *, spread: float = 0.01
    ) -> None:
        """Leave what a trial leaves whose two seeds reach the value in the mean."""
        reached = (value - spread, value + spread)
        self.checkpoints.write(number, with_mae(state, value, reached))
        self.checkpoints.write_predictions(number, np.stack([self.labels + mae for mae in reached]))

    def report_and_end(
        self, results: KeptResults, number: int, value: float, outcome: Outcome = COMPLETE
    ) -> None:
        results.start_trial(
            TrialRecord(number=number, name="", params={}, config_yaml=SMALL.to_yaml(), seed=1)
        )
        results.log_epoch(number, 1, {"valid/best_mae": value})
        results.end_trial(number, outcome)


def with_mae(state: Mapping[str, Any], value: float, reached: Sequence[float]) -> dict[str, Any]:
    """Return the state of trainings that reached these validation MAEs, the value together."""
    changed = []
    for mae, each in zip(reached, state["replicates"], strict=True):
        record = EpochRecord.model_validate(each["history"][0])
        valid = Metrics(**{**record.valid.model_dump(), "mae": mae})
        mended = record.model_copy(update={"valid": valid, "best_mae": mae})
        changed.append({**each, "history": [mended.model_dump()]})
    together = EpochRecord.model_validate(state["history"][0])
    history = [together.model_copy(update={"best_mae": value}).model_dump()]
    return {"replicates": changed, "history": history}


def two_trainings(tiny_data: Path) -> dict[str, Any]:
    """Return the state of one configuration trained for an epoch on two seeds."""
    train, valid = (open_split("synthetic", tiny_data, name) for name in ("train", "valid"))
    data = TrialData(
        dataset="synthetic",
        dataset_digest=read_manifest("synthetic", tiny_data).digest,
        data_dir=tiny_data,
        text=TextSource(way="precomputed"),
    )
    sizes = data.sizes(read_manifest("synthetic", tiny_data), SMALL)
    trainings = [Training(SMALL, sizes, train, valid, seed=s, max_epochs=1) for s in (4, 5)]
    replicates = Replicates(trainings)
    replicates.train_epoch()
    return replicates.state()
