"""What Ctrl-C, or SIGTERM, does to a search: once, it comes to rest; twice, it ends at once."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from dlf.command import EXIT_INTERRUPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(rest: Callable[[], None]) -> Iterator[None]:
    """Call `rest` on the first signal, and leave the process on the second.

    Nothing is written on the second one, as on a `kill -9`: a study can be resumed after both.
    """
    interrupted = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            os._exit(EXIT_INTERRUPTED)
        interrupted = True
        rest()
        # Where the signal came within another print, none can be made.
        with suppress(RuntimeError):
            print("\nstopping safely; Ctrl-C again stops at once", file=sys.stderr, flush=True)

    former = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        if not interrupted:
            for number, handler in former.items():
                signal.signal(number, handler)
