"""Sends a study's folder to a remote file system while its trials run, in a thread of its own.

It is told after those who write into the folder. Before a study hears of an end, and before a
checkpoint goes, what is here of the trial is there, so that another machine can go on from it.
"""

import threading
from collections.abc import Callable, Mapping
from time import monotonic

from dlf.command import BadInputError, WorkFailedError, reason_of
from tracking.recorder import Recorder
from tracking.records import Outcome, Summary, TrialFacts, TrialRecord
from tracking.remote.mirror import ChangedElsewhereError, Mirror

PAUSE_SECONDS = 15.0
"""between two looks at what has changed, at most"""
WAIT_SECONDS = 2.0
"""that the end of a trial waits for what is sent, at most"""
LAST_WAIT_SECONDS = 30.0
"""that the end of a search waits, with a try every second, for a file system that is away"""


class MirrorRecorder(Recorder):
    """Sends now and then, and at the end of every trial; a file system that is away is told of."""

    def __init__(self, mirror: Mirror, tell: Callable[[str], None]) -> None:
        self._mirror = mirror
        self._tell = tell
        self._news = threading.Condition()
        self._asked = self._tried = self._sent = 0
        """how often it was asked to send, and up to which of these it has tried and succeeded"""
        self._away = self._ended = False
        self._refused: str | None = None
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    def start_trial(self, trial: TrialRecord) -> None:
        """Raise `WorkFailedError` when another machine writes there."""
        self._refuse_if_changed()

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Raise `WorkFailedError` when another machine writes there."""
        self._refuse_if_changed()

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Send what is here of a trial that is about to end."""
        self._send(WAIT_SECONDS)

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Send what was kept of it."""
        self._send(WAIT_SECONDS)

    def finish(self, summary: Summary) -> str | None:
        """Send what is left, and wait for it."""
        deadline = monotonic() + LAST_WAIT_SECONDS
        while not (sent := self._send(LAST_WAIT_SECONDS, even_if_away=True)):
            # A store that answers is waited for, however slow it is.
            overdue = self._away and monotonic() > deadline
            if self._refused is not None or overdue or not self._thread.is_alive():
                break
            with self._news:
                self._news.wait(1.0)
        with self._news:
            self._ended = True
            self._news.notify_all()
        if self._refused is not None:
            return self._refused
        self._thread.join(WAIT_SECONDS)
        return None if sent else f"{self._shown} lacks the last of it, which --resume sends"

    def _send(self, seconds: float, *, even_if_away: bool = False) -> bool:
        """Ask for what is here to be sent; return whether that was done in this time.

        Nobody waits for a file system that did not answer the last time, unless told to.
        """
        with self._news:
            self._asked = mine = self._asked + 1
            self._news.notify_all()
            if even_if_away or not self._away:
                self._news.wait_for(lambda: self._tried >= mine or self._refused, seconds)
            return self._sent >= mine

    def _refuse_if_changed(self) -> None:
        if self._refused is not None:
            raise WorkFailedError(self._refused)

    def _work(self) -> None:
        while self._refused is None:
            with self._news:
                self._news.wait_for(lambda: self._ended or self._asked > self._tried, PAUSE_SECONDS)
                if self._ended:
                    return
                asked = self._asked
            sent = self._try()
            with self._news:
                self._tried = asked
                self._sent = asked if sent else self._sent
                self._news.notify_all()

    def _try(self) -> bool:
        try:
            self._mirror.send()
        except OSError as error:
            known, self._away = self._away, True
            if not known:
                self._tell(
                    f"{self._shown} cannot be written ({reason_of(error)}); this goes on all the "
                    "same, and what is missing there is sent later"
                )
            return False
        except (ChangedElsewhereError, BadInputError) as error:
            self._refused = f"{error}; so this ends, and overwrites nothing there"
            return False
        if self._away:
            self._tell(f"{self._shown} can be written again, and has what was missing")
        self._away = False
        return True

    @property
    def _shown(self) -> str:
        return self._mirror.remote.shown
