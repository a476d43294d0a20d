"""Waits for a database server that does not answer: a moment, or for as long as it takes."""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import TypeVar

from search.storage.lost_connection import LostConnectionError
from tracking.terminal.console import say_on_stderr

Result = TypeVar("Result")

MOMENT_SECONDS = 3.0
"""how long one waits who has nothing to lose"""
SILENT_SECONDS = 10.0
"""an absence that is shorter is not worth a word"""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""seconds between two tries, which double"""


class Patience:
    """What is asked of a server is asked again until it answers.

    Attributes:
        tell: says what people should know.
    """

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = say_on_stderr
        self._waiter: str | None = None
        self._recover: Callable[[], None] = lambda: None
        self._recovered = True
        self._given_up = Event()

    def hold_out(self, waiter: str, recover: Callable[[], None] = lambda: None) -> None:
        """Wait without limit from now on.

        Args:
            waiter: who waits, in words.
            recover: called once the server may be back; only after it has returned is anything
                asked of the server again, by whomever.
        """
        self._waiter, self._recover = waiter, recover

    def give_up(self) -> None:
        """End the waiting at once, and wait no more; a signal's handler may call this."""
        self._given_up.set()

    def run(self, work: Callable[[], Result], again: Callable[[], Result] | None = None) -> Result:
        """Do a piece of work, and do it again for as long as the server does not answer.

        Args:
            work: raises `LostConnectionError` when it does not.
            again: does it where a try before may have done it and was not told so; left out: work.

        Raises:
            LostConnectionError: when the waiting has ended without an answer.
        """
        began: float | None = None
        pause, said = FIRST_PAUSE, False
        while True:
            try:
                if not self._recovered:
                    self._recover()
                    self._recovered = True
                result = work() if began is None or again is None else again()
            except LostConnectionError as error:
                self._recovered = False
                now = monotonic()
                began = now if began is None else began
                away = now - began
                if self._waiter is None and away > MOMENT_SECONDS:
                    raise
                if self._waiter is not None and away > SILENT_SECONDS and not said:
                    self.tell(f"{error.words}; {self._waiter} waits for it, Ctrl-C ends it")
                    said = True
                if self._given_up.wait(pause):
                    raise
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if said:
                    self.tell(f"the study's database answers again; {self._waiter} goes on")
                return result
