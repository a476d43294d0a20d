"""Records a search in MLflow: one run for the study, one nested run for each of its trials."""

from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from time import time

from dlf.command import WorkFailedError
from tracking.background import BackgroundWriter
from tracking.events import EpochTrained, StudyClosed, StudyOpened, TrialEnded, TrialStarted
from tracking.journal import TrackingJournal, read_events
from tracking.location import TrackingLocation
from tracking.mlflow_store import quiet_mlflow
from tracking.reconcile import reconcile
from tracking.recorder import Recorder
from tracking.records import Outcome, StudyRecord, Summary, TrialRecord
from tracking.study_runs import Refusals, StudyRuns, open_study_runs

RUN_ID_SECONDS = 30.0


class MlflowRecorder(Recorder):
    """Writes to a journal at once, and to MLflow from a background thread, which imports it, too.

    On the journal of an earlier process it goes on with the runs of that one, after it has sent
    what they lack: a trial has one run for ever, and every epoch once. What a trial's run could
    not be given is sent in the end, from the journal. Only `ready`, `finish`, `study_run_id` and
    `run_id` wait.
    """

    def __init__(
        self,
        location: TrackingLocation,
        study: StudyRecord,
        journal_file: Path,
        writer: BackgroundWriter | None = None,
    ) -> None:
        """Open the journal, and the store in the background.

        Raises:
            BadInputError: when the journal cannot be used.
        """
        quiet_mlflow()
        self._location = location
        self._journal = TrackingJournal(journal_file)
        self._writer = writer or BackgroundWriter()
        self._ready_to_go_on: dict[int, TrialStarted] = {}
        self._started: dict[int, Future[None]] = {}
        self._behind: set[int] = set()
        earlier = self._journal.numbers
        opened = StudyOpened(study=study, time_ms=_now_ms())
        self._journal.append(opened)
        size = self._journal.size
        self._opened = self._writer.submit(lambda: open_study_runs(location, study, opened.time_ms))
        self._caught_up = self._writer.submit(lambda: self._catch_up(size))
        self._caught_up.add_done_callback(partial(self._fall_behind, earlier))

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
        """Return the identity of a trial's run, waiting for it up to half a minute.

        Raises:
            WorkFailedError: when it has none.
        """
        created = self._started.get(number, self._caught_up)
        try:
            reason = str(created.exception(timeout=RUN_ID_SECONDS) or "it was never created")
        except TimeoutError:
            reason = "the store does not answer"
        if self._opened.done() and self._opened.exception() is None:
            found = self._opened.result().trial_run_id(number)
            if found is not None:
                return found
        raise WorkFailedError(f"trial {number} has no run in {self._location.shown}: {reason}")

    def start_trial(self, trial: TrialRecord) -> None:
        """Create the trial's run, with its parameters and its configuration, or continue it.

        A trial that ended goes on when something new is told of it.
        """
        event = TrialStarted(trial=trial, time_ms=_now_ms())
        standing = self._journal.standing(trial.number)
        if standing is not None and standing.outcome is not None:
            self._ready_to_go_on[trial.number] = event
            return
        if standing is None:
            self._journal.append(event)
        self._start(event)

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Add one step to the metrics of the trial's run, unless the journal has it already."""
        standing = self._journal.standing(number)
        if standing is not None and epoch <= standing.last_epoch:
            return
        self._go_on(number)
        event = EpochTrained(number=number, epoch=epoch, metrics=dict(metrics), time_ms=_now_ms())
        self._journal.append(event)
        self._submit(number, lambda runs: runs.add_epoch(event))

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """End the trial's run in the status that fits its outcome, unless it ended so already."""
        standing = self._journal.standing(number)
        if standing is not None and standing.outcome == outcome:
            return
        self._go_on(number)
        event = TrialEnded(number=number, outcome=outcome, time_ms=_now_ms())
        self._journal.append(event)
        self._submit(number, lambda runs: runs.end(event))

    def finish(self, summary: Summary) -> str | None:
        """Complete the study's run, end what still runs as killed, and wait for all writing."""
        event = StudyClosed(summary=summary, time_ms=_now_ms())
        size = self._journal.size
        self._journal.append(event)
        closed = self._writer.submit(lambda: self._close(event, size))
        self._writer.drain()
        self._journal.close()
        missing = [text for text in (self._unwritten(), self._unsent(closed)) if text is not None]
        return "; ".join(missing) or None

    def _start(self, event: TrialStarted) -> None:
        self._started[event.number] = self._submit(event.number, lambda runs: runs.start(event))

    def _go_on(self, number: int) -> None:
        event = self._ready_to_go_on.pop(number, None)
        if event is not None:
            self._journal.append(event)
            self._start(event)

    def _submit(self, number: int, piece: Callable[[StudyRuns], None]) -> Future[None]:
        future = self._writer.submit(lambda: self._apply(number, piece))
        future.add_done_callback(partial(self._fall_behind, {number}))
        return future

    def _apply(self, number: int, piece: Callable[[StudyRuns], None]) -> None:
        runs = self._opened.result()
        # What follows a gap waits for the end, for a run that has ended is taken to be complete.
        if number not in self._behind:
            piece(runs)

    def _catch_up(self, size: int) -> None:
        runs = self._opened.result()
        refusals = reconcile(runs, lambda: read_events(self._journal.file, size))
        self._behind.update(refusals)

    def _fall_behind(self, numbers: Set[int], future: Future[None]) -> None:
        if future.exception() is not None:
            self._behind.update(numbers)

    def _close(self, event: StudyClosed, size: int) -> Refusals:
        runs = self._opened.result()
        refusals: Refusals = {}
        if self._behind or runs.unconfirmed:
            runs.open(event.time_ms)
            refusals = reconcile(runs, lambda: read_events(self._journal.file, size))
        return {**runs.close(event), **refusals}

    def _unwritten(self) -> str | None:
        if self._journal.failure is None:
            return None
        return (
            f"the tracking journal {self._journal.file} could not be written "
            f"({self._journal.failure.strerror})"
        )

    def _unsent(self, closed: Future[Refusals]) -> str | None:
        error = closed.exception()
        if error is not None:
            return (
                f"{self._location.shown} lacks a part of what was recorded ({error}); all of it is "
                f"in {self._journal.file}, and the study's own results are unaffected"
            )
        refusals = closed.result()
        if not refusals:
            return None
        first = min(refusals)
        counted = "1 trial" if len(refusals) == 1 else f"{len(refusals)} trials"
        return (
            f"{self._location.shown} refused a part of {counted} (trial {first}: "
            f"{refusals[first]}); the study's own results are unaffected"
        )


def _now_ms() -> int:
    return int(time() * 1000)
