"""Records a search in a journal on this machine, and nowhere else: one line for everything told.

Whoever follows the journal brings it to where people look; see `tracking.sending.sender`.
"""

from collections.abc import Mapping, Sequence
from time import time

from tracking.journal.events import (
    EpochTrained,
    ModelsKept,
    StudyClosed,
    StudyEvent,
    StudyOpened,
    TrialEnded,
    TrialMeasured,
    TrialStarted,
)
from tracking.journal.file import TrackingJournal
from tracking.recorder import Recorder
from tracking.records import Outcome, StudyRecord, Summary, TrialFacts, TrialRecord


class JournalRecorder(Recorder):
    """Writes what it is told for the first time, and passes over what the journal has already.

    A resumed search tells again what an earlier process told, and no line comes twice.
    """

    def __init__(self, journal: TrackingJournal, study: StudyRecord) -> None:
        """Open the study in the journal."""
        self._journal = journal
        self._ready_to_go_on: dict[int, TrialStarted] = {}
        self.opened_ms = now_ms()
        """when the study was opened, here and now"""
        self._append(StudyOpened(study=study, time_ms=self.opened_ms))

    def start_trial(self, trial: TrialRecord) -> None:
        """Write that a trial begins, or goes on when something new is told of one that ended."""
        event = TrialStarted(trial=trial, time_ms=now_ms())
        standing = self._journal.standing(trial.number)
        if standing is not None and standing.outcome is not None:
            self._ready_to_go_on[trial.number] = event
        else:
            # Of a trial that has begun before, too: its run may have ended as interrupted.
            self._append(event)

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of an epoch."""
        standing = self._journal.standing(number)
        if standing is not None and epoch <= standing.last_epoch:
            return
        self._go_on(number)
        self._append(
            EpochTrained(number=number, epoch=epoch, metrics=dict(metrics), time_ms=now_ms())
        )

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Write what a trial took, unless it has not trained on since that was written."""
        standing = self._journal.standing(number)
        if standing is None or facts.epochs > standing.measured_epochs:
            self._append(TrialMeasured(number=number, facts=facts, time_ms=now_ms()))

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Write how a trial ended, unless it ended so already."""
        standing = self._journal.standing(number)
        if standing is not None and standing.outcome == outcome:
            return
        self._go_on(number)
        self._append(TrialEnded(number=number, outcome=outcome, time_ms=now_ms()))

    def keep_models(self, numbers: Sequence[int]) -> None:
        """Write which trials' models are kept from now on."""
        self._append(ModelsKept(numbers=tuple(numbers), time_ms=now_ms()))

    def finish(self, summary: Summary) -> str | None:
        """Write what it all came to, and say whether the file lacks a part."""
        self._append(StudyClosed(summary=summary, time_ms=now_ms()))
        if self._journal.failure is None:
            return None
        return (
            f"the tracking journal {self._journal.file} could not be written "
            f"({self._journal.failure.strerror})"
        )

    def _go_on(self, number: int) -> None:
        event = self._ready_to_go_on.pop(number, None)
        if event is not None:
            self._append(event)

    def _append(self, event: StudyEvent) -> None:
        self._journal.append(event)


def now_ms() -> int:
    """Return the time as tracking counts it, in milliseconds since 1970."""
    return int(time() * 1000)
