"""The runs of one study in MLflow, its own and one for each trial, found again by their tags."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tracking.journal.events import StudyClosed, TrialStarted
from tracking.records import StudyRecord
from tracking.run_names import (
    CODE_TAG,
    DATASET_TAG,
    EXPERIMENT_PREFIX,
    KEY_TAG,
    PARENT_TAG,
    SEED_TAG,
    STUDY_TAG,
    TRIAL_TAG,
)
from tracking.sending.refused import Refusals
from tracking.sending.trial_run import TrialRun
from tracking.store.connection import connect
from tracking.store.errors import StoreRefusedError
from tracking.store.location import TrackingLocation
from tracking.store.mlflow_store import FoundRun, MlflowStore, Persist, ask_once
from tracking.store.run_status import STUDY_ENDINGS


class StudyRuns:
    """The runs of a study in one store.

    Every method raises StoreAwayError when the store does not answer, and may then be called
    again, and StoreRefusedError when it answers no.
    """

    def __init__(
        self,
        store: MlflowStore,
        experiment_id: str,
        study: StudyRecord,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Know no run yet; `tell` hears of deleted runs that were brought back."""
        self.run_id = ""
        self.experiment_id = experiment_id
        self.unconfirmed: set[int] = set()
        """trials whose run was not confirmed when it was first to be created"""
        self._store = store
        self._study = study
        self._tell = tell
        self._trials: dict[int, TrialRun] = {}

    def open(self, started_ms: int) -> None:
        """Find all runs that exist, and let the study's own go on, or create it.

        Where a late answer left a trial with two runs, one is deleted.
        """
        self._trials.clear()
        studies = [found for found in self._find() if TRIAL_TAG not in found.tags]
        studies.sort(key=lambda found: found.deleted)
        tags = {
            **self._study.tags,
            STUDY_TAG: self._study.name,
            DATASET_TAG: self._study.dataset,
            KEY_TAG: self._study.key,
        }
        if studies:
            self.run_id = studies[0].run_id
            self._bring_back_own()
            self._store.log(self.run_id, tags=tags)
            self._store.reopen_run(self.run_id)
        else:
            self.run_id = self._store.create_run(
                self.experiment_id, self._study.name, tags, started_ms
            )
        if self._study.data is not None:
            self._store.log_dataset(self.run_id, self._study.data)

    def run_ids(self) -> dict[int, str]:
        """Return the identities of the runs of all trials, from any thread."""
        return {number: run.run_id for number, run in self._trials.copy().items()}

    def trial(self, number: int) -> TrialRun:
        """Return the run of a trial that was begun."""
        run = self._trials.get(number)
        if run is None:
            raise StoreRefusedError(f"trial {number} has no run")
        return run

    def known(self, number: int) -> TrialRun | None:
        """Return the run of a trial, if it has one."""
        return self._trials.get(number)

    def begin(self, event: TrialStarted) -> TrialRun:
        """See that the trial has a run with all that it has from the start."""
        run = self._trials.get(event.number) or self._create(event)
        run.begin(event, self._study.data)
        return run

    def bring_back(self, number: int) -> bool:
        """Restore the run of a trial if somebody deleted it; return whether that was so."""
        run = self._trials.get(number)
        if run is None or not run.bring_back():
            return False
        self._tell(
            f"tracking: the run of trial {number} was deleted in MLflow and is brought back, since "
            "more was to be recorded there"
        )
        return True

    def keep_models(self, kept: Mapping[int, Path], dropped: Iterable[int]) -> Refusals:
        """See that some trials' runs have their models, and that others have theirs no more.

        A run that somebody deleted keeps what it has.

        Returns:
            The trials of which this was refused.
        """
        refusals: Refusals = {}
        for number in [*kept, *dropped]:
            run = self._trials.get(number)
            if run is None:
                continue
            try:
                if number in kept:
                    run.keep_model(kept[number])
                else:
                    run.drop_model()
            except StoreRefusedError as error:
                if not self._store.is_deleted(run.run_id):
                    refusals[number] = error
        return refusals

    def refusals(self) -> Refusals:
        """Return the trials of which artifacts were refused."""
        found = {number: run.refusal for number, run in self._trials.items()}
        return {number: error for number, error in found.items() if error is not None}

    def add_study_files(self, files: Sequence[Path]) -> None:
        """Add files as artifacts to the study's own run."""
        for file in files:
            self._store.log_file(self.run_id, file)

    def close(self, event: StudyClosed) -> Refusals:
        """Complete the study's run, and end what still runs as interrupted.

        Returns:
            The trials whose runs could not be ended.
        """
        refusals: Refusals = {}
        for number, run in self._trials.items():
            if run.running:
                try:
                    self.bring_back(number)
                    run.interrupt(event.time_ms)
                except StoreRefusedError as error:
                    refusals[number] = error
        self._bring_back_own()
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
        all_found = list(self._store.find_runs([self.experiment_id], wanted, deleted=True))
        for found in sorted(all_found, key=lambda found: found.deleted):
            if TRIAL_TAG not in found.tags:
                continue
            run = TrialRun.of(self._store, found)
            number = int(found.tags[TRIAL_TAG])
            other = self._trials.setdefault(number, run)
            if other.run_id != run.run_id and not found.deleted:
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
            PARENT_TAG: self.run_id,
            STUDY_TAG: self._study.name,
            SEED_TAG: str(trial.seed),
        }
        if trial.code:
            tags[CODE_TAG] = trial.code
        run_id = self._store.create_run(self.experiment_id, trial.name, tags, event.time_ms)
        if not asked_before:
            self.unconfirmed.discard(trial.number)
        run = self._trials[trial.number] = TrialRun(self._store, run_id)
        return run

    def _bring_back_own(self) -> None:
        if self._store.restore_run(self.run_id):
            self._tell(
                f"tracking: the run of the study {self._study.name} was deleted in MLflow and is "
                "brought back"
            )

    def _closing_step(self, event: StudyClosed) -> int:
        """Count how often the study was closed before, for its metrics would hide one another."""
        points = [
            point
            for name in event.summary.metrics
            for point in self._store.points(self.run_id, name)
        ]
        return max((point.step + (point.time_ms != event.time_ms) for point in points), default=0)


def open_study_runs(
    location: TrackingLocation,
    study: StudyRecord,
    started_ms: int,
    tell: Callable[[str], None] = lambda _: None,
    persist: Persist = ask_once,
) -> StudyRuns:
    """Connect to the store and open the runs of the study, which is created when it is new.

    `persist` makes the requests, once it is known that the store answers.

    Raises:
        StoreAwayError: when the store does not answer now.
        BadInputError: when the store cannot be used.
    """
    store = connect(location, persist)
    try:
        experiment_id = store.experiment(
            f"{EXPERIMENT_PREFIX}{study.dataset}", location.artifact_root
        )
        runs = StudyRuns(store, experiment_id, study, tell)
        runs.open(started_ms)
    except StoreRefusedError as error:
        raise location.unusable(str(error)) from error
    return runs
