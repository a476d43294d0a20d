"""What a search prints while it runs: a live view where there is a terminal, else plain lines."""

import os
import sys
from typing import TextIO

from tracking.records import Outcome
from tracking.terminal.live_view import LiveView
from tracking.terminal.onlooker import Onlooker, shown_on
from tracking.terminal.progress import Progress, printable

TERMINALS_OF_PLAIN_LINES = ("", "dumb", "unknown")


def onlooker_on(stream: TextIO, progress: Progress) -> Onlooker:
    """Return what suits the stream; a terminal that cannot move its cursor gets plain lines."""
    moves = os.environ.get("TERM", "") not in TERMINALS_OF_PLAIN_LINES
    return (LiveView if stream.isatty() and moves else PlainLines)(stream, progress)


def say_on_stderr(text: str) -> None:
    """Print a sentence where nothing shows the search, and standard output is for its result."""
    print(text, file=sys.stderr)


class PlainLines(Onlooker):
    """Prints a line for each event.

    For a trial: `[ 4/20]`, its name, how it ended and the best complete trial so far.
    """

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Print the trial's line."""
        with self._lock:
            trial = self._progress.end_trial(number, outcome)
            done, total, best = self._progress.done, self._progress.total, self._progress.best
            parts = [f"[{done:>{len(str(total))}}/{total}] {trial.name:<9}", trial.how()]
            if trial.value is not None:
                parts.append(f"best validation MAE {trial.value:.3f}")
            if best is not None:
                parts.append(f"(best so far {best.value:.3f}, {best.name})")
            self._print("   ".join(parts))

    def say(self, text: str) -> None:
        """Print it."""
        with self._lock:
            self._print(printable(text))

    def _print(self, line: str) -> None:
        print(shown_on(self._stream, line), file=self._stream, flush=True)
