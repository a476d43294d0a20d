"""What a recorder for people has beside the others: it keeps how the search stands, and news."""

from abc import abstractmethod
from collections.abc import Mapping
from threading import RLock
from typing import TextIO

from tracking.recorder import Recorder
from tracking.records import Outcome, Summary, TrialFacts, TrialRecord
from tracking.terminal.progress import Progress


class Onlooker(Recorder):
    """Shows a search on a stream while it runs; may be told things from any thread."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        # A signal handler may tell something while its thread is here already.
        self._lock = RLock()

    def start_trial(self, trial: TrialRecord) -> None:
        """Count it."""
        with self._lock:
            self._progress.start_trial(trial)

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Count it."""
        with self._lock:
            self._progress.log_epoch(number, epoch, metrics)

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Show nothing of them."""

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Count it."""
        with self._lock:
            self._progress.end_trial(number, outcome)

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a sentence of news."""

    def finish(self, summary: Summary) -> None:
        """Stop the clock; the command line has the last word."""
        with self._lock:
            self._progress.finish()


def shown_on(stream: TextIO, text: str) -> str:
    """Return a text with a question mark for each character that a stream cannot show."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
