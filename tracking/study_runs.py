"""The runs of one study in MLflow, its own and one for each trial, found again by their tags."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tracking.background import StoreAwayError
from tracking.events import EpochTrained, StudyClosed, TrialEnded, TrialStarted
from tracking.location import TrackingLocation
from tracking.mlflow_store import (
    RUNNING,
    FoundRun,
    MlflowStore,
    RunStatus,
    StoreRefusedError,
    connect,
)
from tracking.records import Ending, ParamValue, StudyRecord, TrialState

OBJECTIVE = "valid/mae"
CONFIG_FILE = "config.yaml"
EXPERIMENT_PREFIX = "dlf-"

KEY_TAG = "dlf.study_key"
TRIAL_TAG = "dlf.trial"
STATE_TAG = "dlf.state"
FAILURE_TAG = "dlf.failure"
REASON_TAG = "dlf.reason"
"""why a trial ended that did not fail"""

TRIAL_ENDINGS: Mapping[TrialState, RunStatus] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
}
STUDY_ENDINGS: Mapping[Ending, RunStatus] = {
    Ending.FINISHED: "FINISHED",
    Ending.INTERRUPTED: "KILLED",
    Ending.FAILED: "FAILED",
}

Refusals = dict[int, StoreRefusedError]


@dataclass
class TrialRun:
    """The run of a trial, and what is known of it without asking the store again."""

    run_id: str
    status: str = RUNNING
    ended_ms: int | None = None
    begun: bool = False
    """it has its configuration and its parameters"""
    reasons: set[str] = field(default_factory=set)
    """the tags that it has with the reason of an end"""
    epochs: set[int] | None = None
    """those that it has; none when the store was not asked"""

    @staticmethod
    def of(found: FoundRun) -> "TrialRun":
        """Return what a run found in the store says of itself."""
        return TrialRun(
            run_id=found.run_id,
            status=found.status,
            ended_ms=found.ended_ms,
            begun=STATE_TAG in found.tags,
            reasons={FAILURE_TAG, REASON_TAG} & found.tags.keys(),
        )


class StudyRuns:
    """The runs of a study in one store.

    The trials' methods take what a journal has, and can be given it again: what the store has
    already stays as it is. Every method raises StoreAwayError when the store does not answer, and
    may then be called again, and StoreRefusedError when it answers no.
    """

    def __init__(self, store: MlflowStore, experiment_id: str, study: StudyRecord) -> None:
        self.run_id = ""
        self.unconfirmed: set[int] = set()
        """trials whose run was not confirmed when it was first to be created"""
        self._store = store
        self._experiment_id = experiment_id
        self._study = study
        self._trials: dict[int, TrialRun] = {}

    def open(self, started_ms: int) -> None:
        """Find all runs that exist, and let the study's own go on, or create it.

        Where a late answer left a trial with two runs, one is deleted.
        """
        self._trials.clear()
        studies = [found for found in self._find() if TRIAL_TAG not in found.tags]
        tags = {
            **self._study.tags,
            "dlf.study": self._study.name,
            "dlf.dataset": self._study.dataset,
            KEY_TAG: self._study.key,
        }
        if studies:
            self.run_id = studies[0].run_id
            self._store.log(self.run_id, tags=tags)
            self._store.reopen_run(self.run_id)
        else:
            self.run_id = self._store.create_run(
                self._experiment_id, self._study.name, tags, started_ms
            )

    def trial_run_id(self, number: int) -> str | None:
        """Return the identity of a trial's run, if it has one."""
        run = self._trials.get(number)
        return None if run is None else run.run_id

    def has_ended(self, event: TrialEnded) -> bool:
        """Return whether the trial's run ended with this very event, and so has everything."""
        run = self._trials.get(event.number)
        # The state alone would not do: a trial can end, go on, and end in the same state again.
        return (
            run is not None
            and run.status == TRIAL_ENDINGS[event.outcome.state]
            and run.ended_ms == event.time_ms
        )

    def begin(self, event: TrialStarted) -> None:
        """See that the trial has a run with its parameters and its configuration."""
        run = self._trials.get(event.number) or self._create(event)
        if run.begun:
            return
        self._store.log_text(run.run_id, event.trial.config_yaml, CONFIG_FILE)
        params = {name: _shown(value) for name, value in event.trial.params.items()}
        self._store.log(run.run_id, params=params, tags={STATE_TAG: "running"})
        run.begun = True

    def start(self, event: TrialStarted) -> None:
        """Begin the trial's run, or let it go on."""
        self.begin(event)
        run = self._trials[event.number]
        if run.status != RUNNING:
            self._forget_reasons(run)
            self._store.log(run.run_id, tags={STATE_TAG: "running"})
            self._store.reopen_run(run.run_id)
            run.status = RUNNING

    def add_epoch(self, event: EpochTrained) -> None:
        """Give the trial's run the metrics of an epoch, if it has not got them."""
        run = self._run(event.number)
        if run.epochs is None:
            run.epochs = {point.step for point in self._store.points(run.run_id, OBJECTIVE)}
        if event.epoch not in run.epochs:
            self._store.log(
                run.run_id, metrics=event.metrics, step=event.epoch, time_ms=event.time_ms
            )
            run.epochs.add(event.epoch)

    def end(self, event: TrialEnded) -> None:
        """End the trial's run in the status that fits its outcome."""
        run = self._run(event.number)
        state, reason = event.outcome.state, event.outcome.reason
        tags = {STATE_TAG: state.value}
        self._forget_reasons(run)
        if reason is not None:
            named = FAILURE_TAG if state is TrialState.FAILED else REASON_TAG
            tags[named] = reason
            run.reasons.add(named)
        self._end(run, tags, TRIAL_ENDINGS[state], event.time_ms)

    def close(self, event: StudyClosed) -> Refusals:
        """Complete the study's run, and end what still runs as interrupted.

        Returns:
            The trials whose runs could not be ended.
        """
        refusals: Refusals = {}
        for number, run in self._trials.items():
            if run.status == RUNNING:
                try:
                    self._end(run, {STATE_TAG: "interrupted"}, "KILLED", event.time_ms)
                except StoreRefusedError as error:
                    refusals[number] = error
        summary = event.summary
        self._store.log(
            self.run_id,
            metrics=summary.metrics,
            tags=summary.tags,
            step=self._closing_step(event),
            time_ms=event.time_ms,
        )
        self._store.end_run(self.run_id, STUDY_ENDINGS[summary.ending], event.time_ms)
        return refusals

    def _find(self, tags: Mapping[str, str] | None = None) -> list[FoundRun]:
        """Find the runs with these tags, and take in those of trials."""
        wanted = {KEY_TAG: self._study.key, **(tags or {})}
        all_found = list(self._store.find_runs([self._experiment_id], wanted))
        for found in all_found:
            if TRIAL_TAG not in found.tags:
                continue
            run = TrialRun.of(found)
            number = int(found.tags[TRIAL_TAG])
            other = self._trials.setdefault(number, run)
            if other.run_id != run.run_id:
                kept, surplus = (other, run) if other.begun else (run, other)
                self._trials[number] = kept
                self._store.delete_run(surplus.run_id)
        return all_found

    def _create(self, event: TrialStarted) -> TrialRun:
        trial = event.trial
        tags = {TRIAL_TAG: str(trial.number)}
        asked_before = trial.number in self.unconfirmed
        if asked_before and self._find(tags):
            return self._trials[trial.number]
        self.unconfirmed.add(trial.number)
        tags |= {
            KEY_TAG: self._study.key,
            "mlflow.parentRunId": self.run_id,
            "dlf.study": self._study.name,
            "dlf.seed": str(trial.seed),
        }
        run_id = self._store.create_run(self._experiment_id, trial.name, tags, event.time_ms)
        if not asked_before:
            self.unconfirmed.discard(trial.number)
        run = self._trials[trial.number] = TrialRun(run_id=run_id, epochs=set())
        return run

    def _run(self, number: int) -> TrialRun:
        run = self._trials.get(number)
        if run is None:
            raise StoreRefusedError(f"trial {number} has no run")
        return run

    def _closing_step(self, event: StudyClosed) -> int:
        """Count how often the study was closed before, for its metrics would hide one another."""
        points = [
            point
            for name in event.summary.metrics
            for point in self._store.points(self.run_id, name)
        ]
        return max((point.step + (point.time_ms != event.time_ms) for point in points), default=0)

    def _end(
        self, run: TrialRun, tags: Mapping[str, str], status: RunStatus, ended_ms: int
    ) -> None:
        self._store.log(run.run_id, tags=tags)
        self._store.end_run(run.run_id, status, ended_ms)
        run.status, run.ended_ms, run.epochs = status, ended_ms, None

    def _forget_reasons(self, run: TrialRun) -> None:
        while run.reasons:
            self._store.delete_tag(run.run_id, min(run.reasons))
            run.reasons.remove(min(run.reasons))


def open_study_runs(location: TrackingLocation, study: StudyRecord, started_ms: int) -> StudyRuns:
    """Connect to the store and open the runs of the study, which is created when it is new.

    Raises:
        BadInputError: when the store cannot be used.
    """
    store = connect(location)
    try:
        experiment_id = store.experiment(
            f"{EXPERIMENT_PREFIX}{study.dataset}", location.artifact_root
        )
        runs = StudyRuns(store, experiment_id, study)
        runs.open(started_ms)
    except (StoreAwayError, StoreRefusedError) as error:
        raise location.unusable(str(error)) from error
    return runs


def _shown(value: ParamValue) -> str:
    return repr(value) if isinstance(value, float) else str(value)
