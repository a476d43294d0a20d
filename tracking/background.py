"""Work done in order on one background thread, again and again while its store is away."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar

Result = TypeVar("Result")

CERTAINLY_AWAY = 3


class StoreAwayError(Exception):
    """The store does not answer now and may later; the message is the reason in words."""


class BackgroundWriter:
    """Runs what it is given, one piece after the other, without making the giver wait.

    Work that meets `StoreAwayError` is tried again every `pause` seconds for up to `patience`
    seconds, and what was given after it waits its turn. Any other exception is final for its
    piece of work alone. `drain` gives an absent store `grace` seconds more.
    """

    def __init__(self, *, pause: float = 2.0, patience: float = 600.0, grace: float = 10.0) -> None:
        self._pause = pause
        self._patience = patience
        self._grace = grace
        self._abandoned = threading.Event()
        self._misses = 0
        self._failures: list[Exception] = []
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon, so that a program that dies without draining is not kept by an absent store.
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Queue the work and return at once."""
        future: Future[Result] = Future()
        self._queue.put(lambda: self._settle(future, work))
        return future

    def drain(self) -> list[Exception]:
        """Wait until all work is done or given up; return what was given up, in order."""
        self._queue.put(None)
        self._thread.join(self._grace)
        if self._thread.is_alive():
            self._abandoned.set()
            self._thread.join()
        return self._failures

    def _work(self) -> None:
        while (piece := self._queue.get()) is not None:
            piece()

    def _settle(self, future: Future[Result], work: Callable[[], Result]) -> None:
        try:
            result = self._persist(work)
        # Whatever it is, it belongs to whoever asks for the result, and the thread lives on.
        except Exception as error:
            self._failures.append(error)
            future.set_exception(error)
        else:
            future.set_result(result)

    def _persist(self, work: Callable[[], Result]) -> Result:
        started = monotonic()
        while True:
            if self._abandoned.is_set() and self._misses >= CERTAINLY_AWAY:
                raise StoreAwayError("the store stayed away")
            try:
                result = work()
            except StoreAwayError:
                self._misses += 1
                if self._abandoned.is_set() or monotonic() - started > self._patience:
                    raise
                self._abandoned.wait(self._pause)
            else:
                self._misses = 0
                return result
