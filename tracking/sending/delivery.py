"""Gives the runs of a study what its journal has, exactly once, whatever they have already."""

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from dlf.command import one_line
from tracking.journal.events import (
    EpochTrained,
    ModelsKept,
    StudyClosed,
    StudyEvent,
    StudyOpened,
    TrialEnded,
    TrialEvent,
    TrialMeasured,
    TrialStarted,
)
from tracking.journal.file import read_events
from tracking.predictions import read_predictions
from tracking.records import Metrics, TrialState
from tracking.run_names import PREDICTIONS_FILE
from tracking.sending.refused import Refusals, Refused
from tracking.sending.study_runs import StudyRuns
from tracking.sending.trial_pictures import TrialPictures
from tracking.sending.trial_run import TrialRun
from tracking.store.errors import StoreRefusedError
from tracking.study_files import StudyFiles

GATHERED_EPOCHS = 50
"""of one trial, before they are sent"""
REPORT_SECONDS = 300.0
"""between two versions of the report in the store, while the search runs"""


class Delivery:
    """Sends the events of one journal, either all over again or as they come.

    What the store refuses costs its own trial alone: one whose artifacts are refused does without
    them, and any other is `behind`, and is sent nothing more until `catch_up`. All methods raise
    StoreAwayError when the store does not answer; given the same again they go on from there.
    """

    def __init__(
        self,
        runs: StudyRuns,
        journal: Path,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.runs = runs
        self.behind: Refusals = {}
        self._journal = journal
        self._files = StudyFiles(journal.parent)
        self._tell = tell
        self._told_of_refusal = False
        self._ends: dict[int, TrialEnded | None] = {}
        """how the trials ended, as `catch_up` has found"""
        self._ever_kept: set[int] = set()
        """the trials whose models the journal says were kept at some time"""
        self._refused_models: Refusals = {}
        self._gathered: dict[int, list[EpochTrained]] = {}
        """epochs that were read and not sent yet, by trial"""
        self._curves: dict[int, dict[int, Metrics]] = {}
        """the metrics of trials under way, by epoch"""
        self._report_sent = -math.inf
        self._report_version = 0

    @cached_property
    def _pictures(self) -> TrialPictures:
        return TrialPictures()

    def send(self, events: Iterable[StudyEvent]) -> None:
        """Send events in their order, those of many epochs of a trial together."""
        for event in events:
            match event:
                case TrialStarted() | EpochTrained() | TrialMeasured() | TrialEnded():
                    self._attempt(event, self._send)
                case ModelsKept():
                    self._flush()
                    self._keep_models(event)
                case StudyOpened() | StudyClosed():
                    pass
        self._flush()

    def catch_up(self, journal: Callable[[], Iterable[StudyEvent]]) -> None:
        """Compare every trial of a journal with its run, and send what is missing.

        A missing run is created with its original start; missing epochs get their original steps
        and times; a trial that ended ends in its last outcome. The runs of trials that have not
        ended keep their status. The journal is read twice, so that it is never in memory.
        """
        ends: dict[int, TrialEnded | None] = {}
        kept: ModelsKept | None = None
        for event in journal():
            match event:
                case TrialEnded():
                    ends[event.number] = event
                case TrialStarted():
                    ends[event.number] = None
                case EpochTrained():
                    ends.setdefault(event.number, None)
                case ModelsKept():
                    self._ever_kept.update(event.numbers)
                    kept = event
        self._ends = ends
        self.behind.clear()
        self._refused_models.clear()
        unfinished = {
            number
            for number, end in ends.items()
            if end is None or (run := self.runs.known(number)) is None or not run.is_whole(end)
        }

        def send(event: TrialEvent) -> None:
            if isinstance(event, TrialStarted):
                self.runs.begin(event)
            elif not isinstance(event, TrialEnded) or event == ends[event.number]:
                self._send(event)

        for event in journal() if unfinished else ():
            if isinstance(event, TrialEvent) and event.number in unfinished:
                self._attempt(event, send)
        self._flush()
        if kept is not None:
            self._keep_models(kept)

    @property
    def is_lacking(self) -> bool:
        """Whether anything was refused that the store may take when it is asked again."""
        return bool(self.behind or self._refused_models or self.runs.refusals())

    def close(self, event: StudyClosed) -> Refused:
        """Complete the study's run, give it its files, and return all that was refused.

        A trial that is behind ends in its true state all the same, if it has a run.
        """
        for number, error in self.behind.items():
            run, end = self.runs.known(number), self._ends.get(number)
            if run is not None and end is not None:
                run.refusal = run.refusal or error
                with suppress(StoreRefusedError):
                    run.end(end)
        trials = {**self._refused_models, **self.runs.refusals(), **self.behind}
        study = None
        try:
            trials |= self.runs.close(event)
            self.runs.add_study_files(self._files.of_study())
        except StoreRefusedError as error:
            study = error
        return Refused(trials, study)

    def report_is_due(self) -> bool:
        """Tell whether there is a new report, and the last one was not sent just now."""
        file = self._files.report
        return (
            monotonic() - self._report_sent >= REPORT_SECONDS
            and file.is_file()
            and file.stat().st_mtime_ns != self._report_version
        )

    def send_report(self) -> None:
        """Give the study's own run the report as it is now."""
        self._report_version = self._files.report.stat().st_mtime_ns
        try:
            self.runs.add_study_files([self._files.report])
        except StoreRefusedError as error:
            self._tell(f"tracking: the report could not be stored ({error})")
        self._report_sent = monotonic()

    def _attempt(self, event: TrialEvent, send: Callable[[TrialEvent], None]) -> None:
        """Send an event of a trial that is not behind."""
        if event.number in self.behind:
            return
        try:
            try:
                send(event)
            except StoreRefusedError:
                if not self.runs.bring_back(event.number):
                    raise
                send(event)
        except StoreRefusedError as error:
            self._gathered.pop(event.number, None)
            self.behind[event.number] = error
            self._tell_of_refusal(event.number, error)

    def _send(self, event: TrialEvent) -> None:
        if isinstance(event, EpochTrained):
            self._curves.setdefault(event.number, {})[event.epoch] = event.metrics
            gathered = self._gathered.setdefault(event.number, [])
            gathered.append(event)
            if len(gathered) >= GATHERED_EPOCHS:
                self._send_gathered(event.number)
            return
        self._send_gathered(event.number)
        match event:
            case TrialStarted():
                self.runs.begin(event).go_on()
            case TrialMeasured():
                self.runs.trial(event.number).add_facts(event)
            case TrialEnded():
                self._end(event)

    def _send_gathered(self, number: int) -> None:
        gathered = self._gathered.get(number)
        if gathered:
            self.runs.trial(number).add_epochs(gathered)
            del self._gathered[number]

    def _flush(self) -> None:
        for gathered in list(self._gathered.values()):
            last = gathered[-1]
            self._attempt(last, lambda event: self._send_gathered(event.number))

    def _keep_models(self, event: ModelsKept) -> None:
        self._ever_kept.update(event.numbers)
        dropped = sorted(self._ever_kept - set(event.numbers))
        refusals = self.runs.keep_models(self._files.models(event.numbers), dropped)
        for number, error in refusals.items():
            self._tell_of_refusal(number, error)
        self._refused_models.update(refusals)

    def _end(self, event: TrialEnded) -> None:
        """Send the files of a trial and its end; the end also where the files are refused."""
        run = self.runs.trial(event.number)
        with run.artifacts():
            self._send_files(event, run)
        if run.refusal is not None:
            self._tell_of_refusal(event.number, run.refusal)
        run.end(event)
        self._curves.pop(event.number, None)

    def _send_files(self, event: TrialEnded, run: TrialRun) -> None:
        curve = self._curve(event.number)
        if not curve:
            return
        file = self._files.predictions(event.number)
        with ExitStack() as held:
            try:
                folder = Path(held.enter_context(TemporaryDirectory()))
                predictions = None
                if file.is_file():
                    shutil.copy(file, folder / PREDICTIONS_FILE)
                    if event.outcome.state is TrialState.COMPLETE:
                        predictions = read_predictions(file)
                self._pictures.draw(folder, curve, predictions)
            # A full disk, or a table that is none: nothing that the store could help with.
            except (OSError, ValueError) as error:
                raise StoreRefusedError(
                    f"its figures cannot be drawn: {one_line(error)}"
                ) from error
            run.add_files(folder)

    def _tell_of_refusal(self, number: int, error: StoreRefusedError) -> None:
        """Tell of the first one; the others follow in the end."""
        if not self._told_of_refusal:
            self._told_of_refusal = True
            self._tell(f"tracking: a part of trial {number} is refused ({error})")

    def _curve(self, number: int) -> Sequence[Metrics]:
        """Return the metrics of all epochs of a trial, which may have begun long ago."""
        known = self._curves.get(number, {})
        if known and min(known) > 1:
            known = {
                event.epoch: event.metrics
                for event in read_events(self._journal)
                if isinstance(event, EpochTrained) and event.number == number
            }
        return [known[epoch] for epoch in sorted(known)]
