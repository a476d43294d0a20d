"""The paper's configuration trained again and again in Ray's workers, to time nothing else."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dlf.presets import preset
from dlf.training.training import EpochRecord
from search.engine.ledger import TrialLedger
from search.engine.run_trials import run_trials
from search.engine.trainable import Workplace
from search.resources.allotment import Resources
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from search.trial.plan import TrialPlan, TrialSource
from tracking.recorder import Recorder
from tracking.records import Outcome, TrialState
from tracking.study_files import CHECKPOINTS_FOLDER


class Ended(NamedTuple):
    """The end of an epoch."""

    at: float
    """on the clock of `time.perf_counter`"""
    seconds: float
    """that the epoch took in its worker"""


class SameTrials(TrialSource):
    """Hands out the paper's configuration so many times, and notes when its epochs end."""

    def __init__(self, count: int, epochs: int) -> None:
        config = preset("paper", "mosi").with_values({"patience": epochs})
        self._ended: dict[int, list[Ended]] = {}
        """by the number of the trial"""
        self._left = [
            TrialPlan(
                number=number,
                name=f"trial {number}",
                params={},
                config=config,
                seeds=[number],
                max_epochs=epochs,
            )
            for number in range(count)
        ]

    def next_trial(self) -> TrialPlan | None:
        """Return the next trial."""
        return self._left.pop(0) if self._left else None

    def report(self, number: int, record: EpochRecord) -> None:
        """Note the time."""
        self._ended.setdefault(number, []).append(Ended(time.perf_counter(), record.seconds))

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Refuse what was not trained to its end."""
        if outcome.state is not TrialState.COMPLETE:
            raise RuntimeError(f"trial {number} has failed: {outcome.reason}")
        return {number: outcome}

    def note(self, number: int, text: str) -> None:
        """Keep nothing."""

    def epochs_per_second(self) -> float:
        """Return the epochs of all trials together, while all of them trained."""
        begin, end = self._together()
        return len(self.seconds()) / (end - begin)

    def seconds(self) -> list[float]:
        """Return the seconds in its worker of each epoch that ended while all trials trained."""
        begin, end = self._together()
        epochs = [epoch for of_trial in self._ended.values() for epoch in of_trial]
        return [epoch.seconds for epoch in epochs if begin < epoch.at <= end]

    def _together(self) -> tuple[float, float]:
        """Return from when, and until when, all trials trained.

        The first epoch of each is left out: it is slower than the others, and those that begin
        early wait for the last worker to start.
        """
        begin = max(epochs[0].at for epochs in self._ended.values())
        end = min(epochs[-1].at for epochs in self._ended.values())
        if begin >= end:
            raise RuntimeError("the trials were not under way together; give more --epochs")
        return begin, end


def train_together(
    source: TrialSource,
    recorder: Recorder,
    data: TrialData,
    resources: Resources,
    folder: Path,
) -> None:
    """Train all trials of a source, with their checkpoints in a folder."""
    workplace = Workplace(data=data, resources=resources, checkpoints=checkpoints_in(folder))
    run_trials(TrialLedger(source, recorder), workplace, folder)


def checkpoints_in(folder: Path) -> Checkpoints:
    """Return where the checkpoints of a run in a folder lie."""
    return Checkpoints(folder=folder / CHECKPOINTS_FOLDER)
