"""A simulated backend for the search logic: trials that cost nothing and have a known optimum."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import optuna

from dlf.config import Config, Value
from dlf.text.source import TextSource
from dlf.training import EpochRecord
from search.ledger import TrialLedger
from search.space import Space
from search.study import StudyIdentity, StudyPlace
from search.study_trials import StudyTrials
from search.trials import TrialPlan
from tests.support.memory_recorder import MemoryRecorder
from tracking.records import Outcome, TrialState

Curve = Callable[[TrialPlan, int], float]

OPTIMUM = {"margin": 0.6, "lambda_r": 0.05, "learning_rate": 1e-3}


def planted_mae(params: Mapping[str, Value], epoch: int) -> float:
    """A validation MAE that falls over the epochs to 0.7 at the optimum, and higher elsewhere."""
    away = abs(float(params["margin"]) - OPTIMUM["margin"])
    for name in ("lambda_r", "learning_rate"):
        away += 0.3 * abs(math.log10(float(params[name]) / OPTIMUM[name]))
    return 0.7 + away + 0.5 * math.exp(-0.5 * epoch)


class SimulatedBackend:
    """Runs the trials of a ledger in slots, an epoch of each in turn, as Tune would."""

    def __init__(self, ledger: TrialLedger, curve: Curve, max_epochs: int, slots: int) -> None:
        self._ledger = ledger
        self._curve = curve
        self._max_epochs = max_epochs
        self._slots = slots

    def run(self, record_of_mae: Callable[..., EpochRecord]) -> None:
        running: dict[str, Iterator[bool]] = {}
        keys = (f"simulated-{i}" for i in range(10_000))
        while True:
            while len(running) < self._slots:
                key = next(keys)
                plan = self._ledger.start(key)
                if plan is None:
                    break
                running[key] = self._epochs_of(key, plan, record_of_mae)
            if not running:
                return
            for key in list(running):
                if not next(running[key], False):
                    del running[key]

    def _epochs_of(
        self, key: str, plan: TrialPlan, record_of_mae: Callable[..., EpochRecord]
    ) -> Iterator[bool]:
        best = math.inf
        for epoch in range(1, self._max_epochs + 1):
            try:
                mae = self._curve(plan, epoch)
            except ArithmeticError as error:
                self._ledger.end(key, Outcome(state=TrialState.FAILED, reason=str(error)))
                return
            best = min(best, mae)
            last = epoch == self._max_epochs
            go_on = self._ledger.report(key, record_of_mae(epoch, mae, best, finished=last))
            if last or not go_on:
                state = TrialState.COMPLETE if last else TrialState.PRUNED
                self._ledger.end(key, Outcome(state=state))
                return
            yield True


class SimulatedSearch:
    """A real study in a real journal, driven by the simulated backend."""

    def __init__(self, folder: Path, record_of_mae: Callable[..., EpochRecord]) -> None:
        self.identity = StudyIdentity(
            dataset="synthetic",
            dataset_digest="0" * 64,
            text=TextSource(way="precomputed"),
            max_epochs=9,
            base=Config(),
            space=Space.load(),
        )
        self.place = StudyPlace("simulated", folder, None)
        self.recorder = MemoryRecorder()
        self._record_of_mae = record_of_mae

    def run(
        self, trials: int, *, curve: Curve | None = None, slots: int = 4, seed: int = 0
    ) -> optuna.Study:
        study = self.place.create(self.identity, seed)
        source = StudyTrials(study, self.identity, trials, seed, self.place.folder)
        self.ledger = TrialLedger(source, self.recorder)
        curve = curve or (lambda plan, epoch: planted_mae(plan.params, epoch))
        SimulatedBackend(self.ledger, curve, 9, slots).run(self._record_of_mae)
        return study
