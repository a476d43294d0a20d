"""Our driver without Ray: trials that cost nothing, through the real ledger into a real study."""

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from optuna.trial import FrozenTrial

from dlf.config import Config
from dlf.metrics import Metrics
from dlf.text.source import TextSource
from dlf.training.training import EpochLosses, EpochRecord
from search.engine.ledger import TrialLedger
from search.spaces.space import Space
from search.study.budget import Budget, BudgetKeeper
from search.study.identity import StudyIdentity
from search.study.open_study import SearchSettings, StudyPlace
from search.study.samplers import SamplerName, make_sampler
from search.study.schedulers import SchedulerName, Stopping
from search.study.trials import StudyTrials
from search.trial.plan import TrialPlan
from tracking.journal.file import TRACKING_FILE
from tracking.recorder import Recorder
from tracking.records import Outcome, StudyRecord, Summary, TrialFacts, TrialRecord
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.location import DATABASE_FILE, resolve

EPOCHS = 20
PAGE = os.sysconf("SC_PAGE_SIZE")


class Unrecorded(Recorder):
    """Records nothing but when trials ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        """by the clock of `time.perf_counter`"""

    def start_trial(self, trial: TrialRecord) -> None:
        """Do nothing."""

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Do nothing."""

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Keep when it was."""
        self.ends.append(time.perf_counter())

    def finish(self, summary: Summary) -> str | None:
        """Do nothing."""
        return None


class MadeUpStudy:
    """A new study of the default space in a journal file, without data."""

    def __init__(
        self,
        folder: Path,
        *,
        trials: int,
        sampler: SamplerName,
        scheduler: SchedulerName = "asha",
        finished: Sequence[FrozenTrial] = (),
        storage: str | None = None,
    ) -> None:
        """Make it in a folder of its own, with some finished trials beside the `trials` to come.

        Without the URL of a storage it is a journal in that folder.
        """
        self.identity = identity_without_data(Space.load(), EPOCHS)
        self.place = StudyPlace(f"overhead-{uuid4().hex}", folder, storage)
        stopping = Stopping(scheduler=scheduler)
        settings = SearchSettings(
            trials=len(finished) + trials, seed=0, sampler=sampler, stopping=stopping
        )
        self.opened = self.place.create(self.identity, settings)
        self.study = self.opened.study
        self.study.add_trials(finished)
        self.study.sampler = make_sampler(
            sampler, seed=0, trials_before=len(finished), grouped=False
        )
        self.study.pruner = stopping.pruner(EPOCHS)
        self._budget = Budget(trials=settings.trials)

    def ledger(self, recorder: Recorder) -> TrialLedger:
        """Return a ledger that gives out the trials to come."""
        keeper = BudgetKeeper(self._budget)
        source = StudyTrials(self.study, self.identity, keeper, seed=0, folder=self.place.folder)
        return TrialLedger(source, recorder)


def identity_without_data(space: Space, max_epochs: int) -> StudyIdentity:
    """Return what identifies a study that is never trained, around the paper's configuration."""
    return StudyIdentity(
        dataset="synthetic",
        dataset_digest="0" * 64,
        text=TextSource(way="precomputed"),
        max_epochs=max_epochs,
        paper=Config(),
        base=Config(),
        space=space,
    )


def recorder_on_sqlite(folder: Path) -> MlflowRecorder:
    """Return a recorder on a new sqlite store in a folder, ready to record."""
    recorder = MlflowRecorder(
        resolve(f"sqlite:///{folder / DATABASE_FILE}"),
        StudyRecord(name="benchmark", dataset="synthetic", tags={}),
        folder / TRACKING_FILE,
    )
    recorder.ready()
    return recorder


class Driven(NamedTuple):
    """What the driver took for some trials."""

    seconds: float
    reports: int
    growth: int
    """bytes of memory, at their most, beyond those in use before"""
    asks: list[float]
    """seconds of each"""


def drive(study: MadeUpStudy, slots: int) -> Driven:
    """Run all trials of a study in slots, an epoch of each in turn, as Tune would."""
    ledger = study.ledger(Unrecorded())
    running: dict[str, Iterator[None]] = {}
    before = largest = resident_bytes()
    reports = 0
    asks: list[float] = []
    started = time.perf_counter()
    while True:
        while len(running) < slots:
            key = f"trial-{len(asks)}"
            asked = time.perf_counter()
            plan = ledger.start(key)
            if not isinstance(plan, TrialPlan):
                break
            asks.append(time.perf_counter() - asked)
            running[key] = _epochs_of(plan, key, ledger)
        if not running:
            seconds = time.perf_counter() - started
            return Driven(seconds, reports, largest - before, asks)
        for key in list(running):
            reports += 1
            if next(running[key], running) is running:
                del running[key]
                largest = max(largest, resident_bytes())


def _epochs_of(plan: TrialPlan, key: str, ledger: TrialLedger) -> Iterator[None]:
    """Report epochs until the trial ends, which is its last report."""
    loss = plan.config.loss
    floor = 0.7 + abs(loss.margin - 0.6) + 0.3 * abs(math.log10(20 * loss.lambda_r))
    for epoch in range(1, EPOCHS + 1):
        mae = floor + math.exp(-epoch / 2)
        if not ledger.report(key, made_up_record(epoch, mae, finished=epoch == EPOCHS)):
            break
        yield
    ledger.end(key)


def made_up_record(epoch: int, mae: float, *, finished: bool) -> EpochRecord:
    """Return a record as a training would report it, of a validation MAE that is the best yet."""
    metrics = Metrics(mae=mae, corr=0.5, acc7=0.3, acc5=0.4, acc2=0.7, f1=0.7)
    return EpochRecord(
        epoch=epoch,
        loss=EpochLosses(
            total=mae, task=mae, reconstruction=0.0, specific=0.0, margin=0.0, orthogonality=0.0
        ),
        train=metrics,
        valid=metrics,
        best_mae=mae,
        best_epoch=epoch,
        learning_rate=1e-4,
        seconds=0.1,
        finished=finished,
    )


def made_up_facts(*, epochs: int) -> TrialFacts:
    """Return what a training of so many epochs could have taken."""
    return TrialFacts(
        host="nowhere",
        device="cpu",
        device_share="1 CPU",
        parameters=1_000_000,
        epochs=epochs,
        seconds_per_epoch=0.1,
        samples_per_second=1000.0,
        peak_memory_mb=500.0,
    )


def resident_bytes() -> int:
    """Return the memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
