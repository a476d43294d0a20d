"""Records a search in MLflow: one run for the study, one nested run for each of its trials."""

from collections.abc import Callable, Mapping
from pathlib import Path

from dlf.command import BadInputError, WorkFailedError
from tracking.journal.file import TrackingJournal
from tracking.journal.recorder import JournalRecorder
from tracking.records import StudyRecord, Summary
from tracking.sending.sender import GivenUpError, Patience, Sender
from tracking.sending.sync_command import sync_command
from tracking.store.connection import quiet_mlflow
from tracking.store.errors import StoreAwayError, StoreRefusedError
from tracking.store.location import TrackingLocation
from tracking.store.run_links import run_link

RUN_ID_SECONDS = 30.0


class MlflowRecorder(JournalRecorder):
    """Writes to a journal at once; a thread of its own brings MLflow up to it, and imports it.

    On the journal of an earlier process it goes on with the runs of that one, after it has sent
    what they lack: a trial has one run for ever, and every epoch once. Only `ready`, `finish` and
    `run_id` wait.
    """

    def __init__(
        self,
        location: TrackingLocation,
        study: StudyRecord,
        journal_file: Path,
        *,
        tell: Callable[[str], None] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        """Open the journal, and the store in the background; `tell` hears of outages.

        Raises:
            BadInputError: when the journal cannot be used.
        """
        quiet_mlflow()
        self.unsent: str | None = None
        """in the end: what MLflow lacks and the journal has, in one sentence"""
        self._location = location
        super().__init__(TrackingJournal(journal_file), study)
        self._sender = Sender(
            location, study, self._journal, self.opened_ms, tell=tell, patience=patience
        )

    def ready(self, *, offline: bool = False) -> None:
        """Wait until the store is open and the study's run exists; offline, it may be away.

        Raises:
            BadInputError: when the store cannot be used.
        """
        try:
            self._sender.first_answer()
        except StoreAwayError as error:
            if not offline:
                self._sender.give_up()
                raise self._location.unusable(str(error)) from error

    def run_id(self, number: int) -> str:
        """Return the identity of a trial's run, waiting for it up to half a minute.

        Raises:
            WorkFailedError: when it has none.
        """
        found = self._sender.wait_for(number, RUN_ID_SECONDS)
        if found is None:
            raise WorkFailedError(f"trial {number} has no run in {self._location.shown}")
        return found

    def links(self) -> Mapping[int, str]:
        """Return where the trials' runs can be looked at, as far as they exist; waits for none."""
        runs = self._sender.runs
        if runs is None:
            return {}
        return {
            number: run_link(self._location, runs.experiment_id, run_id)
            for number, run_id in runs.run_ids().items()
        }

    def link(self) -> str | None:
        """Return where the study's own run can be looked at, if it exists by now."""
        runs = self._sender.runs
        if runs is None:
            return None
        return run_link(self._location, runs.experiment_id, runs.run_id)

    def finish(self, summary: Summary) -> str | None:
        """Complete the study's run, end what still runs as killed, and wait for all writing."""
        lost = super().finish(summary)
        self.unsent = self._send_the_rest()
        self._journal.close()
        if lost is not None and self.unsent is not None:
            return f"{lost}; {self.unsent}"
        return lost

    def _send_the_rest(self) -> str | None:
        """Send the rest; return what the store lacks in the end, in a sentence."""
        journal = self._journal.file
        command = sync_command(journal, self._location)
        there = f"all of it is in {journal}, and `{command}` sends it"
        try:
            refused = self._sender.finish().words
        except (GivenUpError, StoreRefusedError, BadInputError) as error:
            why = str(error)
        except KeyboardInterrupt:
            self._sender.give_up()
            why = "it was not waited for"
        else:
            return refused and f"{self._location.shown} refused {refused}; {there}"
        return f"{self._location.shown} lacks a part of what was recorded ({why}); {there}"
