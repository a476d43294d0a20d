"""Records a search in MLflow: one run for the study, one nested run for each of its trials."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from time import time

from dlf.command import BadInputError, WorkFailedError
from tracking.background import BackgroundWriter, StoreAwayError
from tracking.location import TrackingLocation
from tracking.mlflow_store import MlflowStore, RunStatus, StoreRefusedError, connect, quiet_mlflow
from tracking.recorder import Recorder
from tracking.records import Ending, Outcome, StudyRecord, Summary, TrialRecord, TrialState

CONFIG_FILE = "config.yaml"
RUN_ID_SECONDS = 30.0

STATUS: Mapping[TrialState, RunStatus] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
}


RUN_ENDINGS: Mapping[Ending, RunStatus] = {
    Ending.FINISHED: "FINISHED",
    Ending.INTERRUPTED: "KILLED",
    Ending.FAILED: "FAILED",
}


@dataclass(frozen=True)
class StudyRun:
    """Where a study is recorded."""

    store: MlflowStore
    experiment_id: str
    run_id: str


class MlflowRecorder(Recorder):
    """Writes to MLflow from a background thread, which imports it and opens the store, too.

    Only `ready`, `finish`, `study_run_id` and `run_id` wait. While the store is away, records
    queue in memory and are written when it is back.
    """

    def __init__(
        self,
        location: TrackingLocation,
        study: StudyRecord,
        writer: BackgroundWriter | None = None,
    ) -> None:
        quiet_mlflow()
        self._location = location
        self._study = study
        self._writer = writer or BackgroundWriter()
        self._runs: dict[int, Future[str]] = {}
        self._running: set[int] = set()
        started = _now_ms()
        self._opened = self._writer.submit(lambda: self._open(started))

    def ready(self) -> None:
        """Wait until the store is open and the study's run exists.

        Raises:
            BadInputError: when the store cannot be used.
        """
        self._opened.result()

    @property
    def study_run_id(self) -> str:
        """The identity of the study's run; waits for it, and raises as `ready` does."""
        return self._opened.result().run_id

    def run_id(self, number: int) -> str:
        """Return the identity of a started trial's run, waiting for it up to half a minute.

        Raises:
            WorkFailedError: when the run could not be created.
        """
        try:
            return self._runs[number].result(timeout=RUN_ID_SECONDS)
        except (StoreAwayError, StoreRefusedError, BadInputError, TimeoutError) as error:
            raise WorkFailedError(
                f"trial {number} has no run in {self._location.shown}: "
                f"{str(error) or 'the store does not answer'}"
            ) from error

    def start_trial(self, trial: TrialRecord) -> None:
        """Create the trial's run, with its parameters and its configuration as an artifact."""
        now = _now_ms()
        self._running.add(trial.number)
        self._runs[trial.number] = self._writer.submit(lambda: self._create_run(trial, now))
        params = {
            name: repr(value) if isinstance(value, float) else str(value)
            for name, value in trial.params.items()
        }
        self._writer.submit(lambda: self._store.log(self._run(trial.number), params=params))
        self._writer.submit(
            lambda: self._store.log_text(self._run(trial.number), trial.config_yaml, CONFIG_FILE)
        )

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add one step to the metrics of the trial's run."""
        now, copied = _now_ms(), dict(metrics)
        self._writer.submit(
            lambda: self._store.log(self._run(number), metrics=copied, step=epoch, time_ms=now)
        )

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """End the trial's run in the status that fits its outcome."""
        tags = {"dlf.state": outcome.state.value}
        if outcome.reason is not None:
            tags["dlf.failure"] = outcome.reason
        self._end_trial_run(number, STATUS[outcome.state], tags)

    def finish(self, summary: Summary) -> str | None:
        """Complete the study's run, end what still runs as killed, and wait for all writing."""
        for number in sorted(self._running):
            self._end_trial_run(number, "KILLED", {"dlf.state": "interrupted"})
        now = _now_ms()
        self._writer.submit(
            lambda: self._store.log(
                self._opened.result().run_id,
                metrics=summary.metrics,
                tags=summary.tags,
                time_ms=now,
            )
        )
        status = RUN_ENDINGS[summary.ending]
        self._writer.submit(lambda: self._store.end_run(self._opened.result().run_id, status, now))
        failures = self._writer.drain()
        if not failures:
            return None
        counted = "1 record" if len(failures) == 1 else f"{len(failures)} records"
        return (
            f"{counted} could not be written to {self._location.shown} "
            f"(first: {failures[0]}); the study's own results are unaffected"
        )

    @property
    def _store(self) -> MlflowStore:
        return self._opened.result().store

    def _run(self, number: int) -> str:
        run = self._runs[number]
        if run.exception() is not None:
            raise StoreRefusedError(f"trial {number} has no run")
        return run.result()

    def _open(self, started_ms: int) -> StudyRun:
        store = connect(self._location)
        tags = {
            **self._study.tags,
            "dlf.study": self._study.name,
            "dlf.dataset": self._study.dataset,
        }
        try:
            experiment_id = store.experiment(
                f"dlf-{self._study.dataset}", self._location.artifact_root
            )
            run_id = store.create_run(experiment_id, self._study.name, tags, started_ms)
        except (StoreAwayError, StoreRefusedError) as error:
            raise self._location.unusable(str(error)) from error
        return StudyRun(store=store, experiment_id=experiment_id, run_id=run_id)

    def _create_run(self, trial: TrialRecord, started_ms: int) -> str:
        study = self._opened.result()
        tags = {
            "mlflow.parentRunId": study.run_id,
            "dlf.study": self._study.name,
            "dlf.trial": str(trial.number),
            "dlf.seed": str(trial.seed),
        }
        return study.store.create_run(study.experiment_id, trial.name, tags, started_ms)

    def _end_trial_run(self, number: int, status: RunStatus, tags: Mapping[str, str]) -> None:
        now = _now_ms()
        self._running.discard(number)
        self._writer.submit(lambda: self._store.log(self._run(number), tags=tags))
        self._writer.submit(lambda: self._store.end_run(self._run(number), status, now))


def _now_ms() -> int:
    return int(time() * 1000)
