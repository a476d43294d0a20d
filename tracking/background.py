"""Work done in order on one background thread, again and again while its store is away."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._abandoned = threading.Event()
        self._misses = 0
        self._failures: list[BaseException] = []

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Queue the work and return at once."""
        future = self._executor.submit(self._persist, work)
        future.add_done_callback(self._note)
        return future

    def drain(self) -> list[BaseException]:
        """Wait until all work is done or given up; return what was given up, in order."""
        last = self._executor.submit(lambda: None)
        try:
            last.result(timeout=self._grace)
        except TimeoutError:
            self._abandoned.set()
        self._executor.shutdown(wait=True)
        return self._failures

    def _persist(self, work: Callable[[], Result]) -> Result:
        started = monotonic()
        while True:
            if self._giving_up() and self._misses >= CERTAINLY_AWAY:
                raise StoreAwayError("the store stayed away")
            try:
                result = work()
            except StoreAwayError:
                self._misses += 1
                if self._giving_up() or monotonic() - started > self._patience:
                    raise
                self._abandoned.wait(self._pause)
            else:
                self._misses = 0
                return result

    def _giving_up(self) -> bool:
        # A main thread that died without draining must not be kept waiting at interpreter exit.
        return self._abandoned.is_set() or not threading.main_thread().is_alive()

    def _note(self, future: Future[Result]) -> None:
        if (error := future.exception()) is not None:
            self._failures.append(error)
