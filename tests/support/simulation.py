"""A simulated backend for the search logic: trials that cost nothing and have a known optimum."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import optuna

from dlf.command import BadInputError
from dlf.config import Config, Value
from dlf.text.source import TextSource
from dlf.training.training import EpochRecord
from search.engine.ledger import TrialLedger
from search.spaces.space import Space
from search.study.budget import Budget, BudgetKeeper
from search.study.identity import StudyIdentity
from search.study.open_study import SearchSettings, StudyPlace
from search.study.samplers import make_sampler
from search.study.trials import StudyTrials
from search.trial.plan import TrialPlan
from tests.support.memory_recorder import MemoryRecorder

Curve = Callable[[TrialPlan, int], float]

OPTIMUM = {"margin": 0.6, "lambda_r": 0.05, "learning_rate": 1e-3}
EPOCHS = 9


class DriverKilledError(BaseException):
    """What a curve raises where the driver is to die."""


def planted_mae(params: Mapping[str, Value], epoch: int) -> float:
    """A validation MAE that falls over the epochs to 0.7 at the optimum, and higher elsewhere."""
    away = abs(float(params["margin"]) - OPTIMUM["margin"])
    for name in ("lambda_r", "learning_rate"):
        away += 0.3 * abs(math.log10(float(params[name]) / OPTIMUM[name]))
    return 0.7 + away + 0.5 * math.exp(-0.5 * epoch)


class SimulatedBackend:
    """Runs the trials of a ledger in slots, an epoch of each in turn, as Tune would.

    A trial that is resumed reports its epochs from the first on, as from a checkpoint.
    """

    def __init__(self, ledger: TrialLedger, curve: Curve, slots: int) -> None:
        self._ledger = ledger
        self._curve = curve
        self._slots = slots

    def run(self, record_of_mae: Callable[..., EpochRecord]) -> None:
        running: dict[str, Iterator[bool]] = {}
        keys = (f"simulated-{i}" for i in range(10_000))
        while True:
            while len(running) < self._slots:
                key = next(keys)
                plan = self._ledger.start(key)
                if not isinstance(plan, TrialPlan):
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
        for epoch in range(1, EPOCHS + 1):
            try:
                mae = self._curve(plan, epoch)
            except ArithmeticError as error:
                self._ledger.end(key, str(error))
                return
            best = min(best, mae)
            last = epoch == EPOCHS
            go_on = self._ledger.report(key, record_of_mae(epoch, mae, best, finished=last))
            if not go_on:
                self._ledger.end(key)
                return
            yield True


class SimulatedSearch:
    """A real study in a real journal, driven by the simulated backend."""

    def __init__(
        self,
        folder: Path,
        record_of_mae: Callable[..., EpochRecord],
        *,
        space: Space | None = None,
        base: Config | None = None,
        name: str = "simulated",
    ) -> None:
        self.identity = StudyIdentity(
            dataset="synthetic",
            dataset_digest="0" * 64,
            text=TextSource(way="precomputed"),
            max_epochs=EPOCHS,
            paper=Config(),
            base=base or Config(),
            space=space or Space.load(),
        )
        self.place = StudyPlace(name, folder, None)
        self.recorder = MemoryRecorder()
        self._record_of_mae = record_of_mae

    def source(self, budget: Budget, *, seed: int = 0, **options: bool) -> StudyTrials:
        """Take the study up, or begin it, as the command line does."""
        settings = SearchSettings(trials=budget.trials, seed=seed)
        try:
            opened = self.place.take_up(self.place.load(), self.identity, settings)
        except BadInputError:
            opened = self.place.create(self.identity, settings)
        self.study = opened.study
        self.study.sampler = make_sampler(
            "tpe", seed=seed, trials_before=len(self.study.trials), grouped=False
        )
        self.study.pruner = settings.stopping.pruner(EPOCHS)
        self.keeper = BudgetKeeper(budget)
        return StudyTrials(
            self.study,
            self.identity,
            self.keeper,
            seed=seed,
            folder=self.place.folder,
            **options,
        )

    def run(
        self,
        trials: int,
        *,
        curve: Curve | None = None,
        slots: int = 4,
        seed: int = 0,
        budget: Budget | None = None,
        **options: bool,
    ) -> optuna.Study:
        """Run trials until the budget is spent, or the driver dies."""
        source = self.source(budget or Budget(trials=trials), seed=seed, **options)
        self.ledger = TrialLedger(source, self.recorder)
        curve = curve or (lambda plan, epoch: planted_mae(plan.params, epoch))
        SimulatedBackend(self.ledger, curve, slots).run(self._record_of_mae)
        return self.study
