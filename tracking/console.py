"""Tells whoever watches a terminal how every trial ended, one plain line each."""

import math
from collections.abc import Mapping
from typing import TextIO

from tracking.recorder import Recorder
from tracking.records import Outcome, Record, Summary, TrialRecord, TrialState

OBJECTIVE = "valid/mae"


class Progress(Record):
    """What a trial has reached."""

    name: str
    epochs: int = 0
    best: float = math.inf


class ConsoleRecorder(Recorder):
    """Prints `[ 4/20]`, the trial, how it ended and the best complete trial so far.

    A resumed search goes on from the trials that have `finished` and the `best` of them.
    """

    def __init__(
        self, stream: TextIO, total: int, *, finished: int = 0, best: Progress | None = None
    ) -> None:
        self._stream = stream
        self._total = total
        self._finished = finished
        self._trials: dict[int, Progress] = {}
        self._best = best

    def start_trial(self, trial: TrialRecord) -> None:
        """Remember its name."""
        self._trials[trial.number] = Progress(name=trial.name)

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Remember the trial's best validation MAE."""
        trial = self._trials[number]
        value = metrics.get(OBJECTIVE, math.inf)
        best = value if value < trial.best else trial.best
        self._trials[number] = Progress(name=trial.name, epochs=epoch, best=best)

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Print the trial's line."""
        trial = self._trials.pop(number)
        self._finished += 1
        complete = outcome.state is TrialState.COMPLETE and trial.best < math.inf
        if complete and (self._best is None or trial.best < self._best.best):
            self._best = trial
        epochs = "1 epoch" if trial.epochs == 1 else f"{trial.epochs} epochs"
        ended = f"{outcome.state.value} after {epochs}"
        if outcome.reason is not None:
            ended += f": {' '.join(outcome.reason.split())}"
        parts = [f"{trial.name:<9}", ended]
        if trial.best < math.inf:
            parts.append(f"best validation MAE {trial.best:.3f}")
        if self._best is not None:
            parts.append(f"(best so far {self._best.best:.3f}, {self._best.name})")
        counter = f"[{self._finished:>{len(str(self._total))}}/{self._total}]"
        print(counter, "   ".join(parts), file=self._stream, flush=True)

    def finish(self, summary: Summary) -> None:
        """Print nothing: the command line has the last word."""
