"""Follows a journal and brings a tracking store up to it, on a thread of its own.

While the store is away nothing is lost and nobody waits: the journal grows, and what it has is sent
when the store is back.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import TypeVar

from dlf.command import BadInputError, one_line
from tracking.journal.events import StudyClosed
from tracking.journal.file import TrackingJournal, read_events
from tracking.passwords import without_password
from tracking.records import Record, StudyRecord
from tracking.sending.delivery import Delivery
from tracking.sending.refused import Refused
from tracking.sending.study_runs import StudyRuns, open_study_runs
from tracking.sending.sync_command import sync_command
from tracking.store.errors import StoreAwayError, StoreRefusedError
from tracking.store.location import TrackingLocation

Result = TypeVar("Result")

WORTH_TELLING = 2
"""misses in a row; one alone is a hiccup"""
WORTH_SAYING = 5.0
"""seconds that one waits in the end before it is said for what"""
CERTAINLY_AWAY = 3
"""misses in a row after which nobody waits for a store any longer than its grace"""


class Patience(Record):
    """How a store that is away is waited for, in seconds."""

    pause: float = 2.0
    """between two attempts"""
    grace: float = 10.0
    """after the last event, before it is given up"""


class GivenUpError(Exception):
    """The store stayed away beyond all patience; the message is the reason in words."""


class Sender:
    """Sends what a journal has and what is written to it, until `finish`.

    Of an outage and of its end `tell` is told, on this thread.
    """

    def __init__(
        self,
        location: TrackingLocation,
        study: StudyRecord,
        journal: TrackingJournal,
        opened_ms: int,
        *,
        tell: Callable[[str], None] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        """Begin to send; the journal ends with the event that opens the study."""
        self._location = location
        self._study = study
        self._journal = journal
        self._opened_ms = opened_ms
        self._tell = tell
        self._patience = patience or Patience()
        self._size_at_first = journal.size
        self._position = 0
        """up to where all is sent"""
        self._runs: StudyRuns | None = None
        self._first_answer: Future[None] = Future()
        self._told_away = False
        self._progress = threading.Condition()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._give_up_at = float("inf")
        self._outcome: Future[Refused] = Future()
        # A daemon, so that a program that dies without `finish` is not kept by an absent store.
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def first_answer(self) -> None:
        """Wait until the store has answered or missed for the first time.

        Raises:
            BadInputError: when it cannot be used.
            StoreAwayError: when it did not answer; the sender goes on trying.
        """
        self._first_answer.result()

    def give_up(self) -> None:
        """Wait for the store no longer, and send nothing more than what is under way."""
        self._abandoned.set()
        self._closing.set()
        self._journal.grown.set()
        self._thread.join(self._patience.pause)

    @property
    def runs(self) -> StudyRuns | None:
        """The runs of the study; none before the store was opened."""
        return self._runs

    def wait_for(self, number: int, seconds: float) -> str | None:
        """Return the identity of a trial's run, once what the journal has now is sent."""
        target = self._journal.size
        with self._progress:
            self._progress.wait_for(
                lambda: self._position >= target or self._outcome.done(), seconds
            )
        run = None if self._runs is None else self._runs.known(number)
        return None if run is None else run.run_id

    def finish(self) -> Refused:
        """Send the rest of the journal, which ends with the event that closes the study.

        Returns:
            What the store refused.

        Raises:
            GivenUpError: when the store stays away, or what it answers makes no sense.
            StoreRefusedError: when it does not take the end of the study.
            BadInputError: when it could never be used.
        """
        grace = self._patience.grace if self._runs is not None else 0.0
        self._give_up_at = monotonic() + grace
        self._closing.set()
        self._journal.grown.set()
        self._thread.join(WORTH_SAYING)
        if self._thread.is_alive():
            self._tell(
                f"tracking: waiting until {self._location.shown} has the rest; Ctrl-C leaves that "
                f"to `{sync_command(self._journal.file, self._location)}`"
            )
            self._thread.join()
        return self._outcome.result()

    def _work(self) -> None:
        try:
            refusals = self._send_all()
        except (BadInputError, StoreRefusedError, GivenUpError) as error:
            self._failed(error)
        # A search must not lose its results to an error of ours or of MLflow's in tracking them.
        except Exception as error:
            failure = GivenUpError(f"{type(error).__name__}: {without_password(one_line(error))}")
            self._failed(failure)
            self._tell(f"tracking: nothing more is sent to {self._location.shown} ({failure})")
        else:
            self._outcome.set_result(refusals)
        with self._progress:
            self._progress.notify_all()

    def _failed(self, error: Exception) -> None:
        self._outcome.set_exception(error)
        if not self._first_answer.done():
            self._first_answer.set_exception(error)

    def _send_all(self) -> Refused:
        self._runs = runs = self._persist(
            lambda: open_study_runs(
                self._location, self._study, self._opened_ms, self._tell, self._persist
            )
        )
        if not self._first_answer.done():
            self._first_answer.set_result(None)
        delivery = Delivery(runs, self._journal.file, self._tell)
        size = self._size_at_first
        self._persist(lambda: delivery.catch_up(lambda: read_events(self._journal.file, size)))
        self._advance(size)
        closed = None
        while closed is None:
            events, position = self._journal.read(self._position)
            if events:
                self._persist(partial(delivery.send, events))
                closed = next((e for e in events if isinstance(e, StudyClosed)), None)
                self._advance(position)
            else:
                if delivery.report_is_due():
                    self._persist(delivery.send_report)
                self._journal.grown.wait()
                self._journal.grown.clear()
        last = closed
        return self._persist(lambda: self._close(runs, delivery, last))

    def _close(self, runs: StudyRuns, delivery: Delivery, closed: StudyClosed) -> Refused:
        if delivery.is_lacking or runs.unconfirmed:
            runs.open(closed.time_ms)
            delivery.catch_up(lambda: read_events(self._journal.file))
        return delivery.close(closed)

    def _persist(self, work: Callable[[], Result]) -> Result:
        """Do a piece of work again and again until the store answers, or is given up.

        Each request is such a piece, and so is what must begin anew where a creation had no answer.
        """
        misses = 0
        while True:
            if self._abandoned.is_set():
                raise GivenUpError("it was not waited for")
            try:
                result = work()
            except StoreAwayError as error:
                misses += 1
                self._missed(error, misses)
            else:
                if self._told_away:
                    self._tell(f"tracking: {self._location.shown} answers again")
                    self._told_away = False
                return result

    def _missed(self, error: StoreAwayError, misses: int) -> None:
        """Wait for a while, or raise `GivenUpError`."""
        if misses == WORTH_TELLING and not self._told_away and self._runs is not None:
            self._told_away = True
            self._tell(
                f"tracking: {self._location.shown} is away ({error}); what it lacks is kept, and "
                "sent when it is back"
            )
        if not self._first_answer.done():
            self._first_answer.set_exception(error)
        # What is set for good cannot be waited for.
        ending = self._abandoned if self._closing.is_set() else self._closing
        ending.wait(self._patience.pause)
        enough = misses >= CERTAINLY_AWAY and monotonic() >= self._give_up_at
        if self._abandoned.is_set() or enough:
            raise GivenUpError(str(error)) from error

    def _advance(self, position: int) -> None:
        with self._progress:
            self._position = position
            self._progress.notify_all()
