"""The paper's configuration trained again and again in Ray's workers, to time nothing else."""

import time
from collections.abc import Mapping
from pathlib import Path

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


class SameTrials(TrialSource):
    """Hands out the paper's configuration so many times, and notes when its epochs end."""

    def __init__(self, count: int, epochs: int) -> None:
        config = preset("paper", "mosi").with_values({"patience": epochs})
        self.ended: dict[int, list[float]] = {}
        """by the number of the trial, on the clock of `time.perf_counter`"""
        self.seconds: list[float] = []
        """of each epoch in its worker, in the order of their ends"""
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
        self.ended.setdefault(number, []).append(time.perf_counter())
        self.seconds.append(record.seconds)

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Refuse what was not trained to its end."""
        if outcome.state is not TrialState.COMPLETE:
            raise RuntimeError(f"trial {number} has failed: {outcome.reason}")
        return {number: outcome}

    def note(self, number: int, text: str) -> None:
        """Keep nothing."""

    def epochs_per_second(self) -> float:
        """Return the epochs of all trials together, while all of them trained."""
        begin = max(times[0] for times in self.ended.values())
        end = min(times[-1] for times in self.ended.values())
        if begin >= end:
            raise RuntimeError("the trials were not under way together; give more --epochs")
        counted = sum(begin < at <= end for times in self.ended.values() for at in times)
        return counted / (end - begin)

    def seconds_per_epoch(self, slots: int) -> float:
        """Return the time from end to end of epochs, of each slot, the first ones left out.

        Those are slower than the others, and wait for the last worker to start.
        """
        times = sorted(at for of_trial in self.ended.values() for at in of_trial)[slots:]
        return (times[-1] - times[0]) * slots / (len(times) - 1)


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
    return Checkpoints(folder=folder / "checkpoints")
