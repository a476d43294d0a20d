"""Ends a worker that does not come to the end of a step in time, and keeps where it hung."""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TextIO


@contextmanager
def watched(seconds: float | None, stack_file: Path) -> Iterator[None]:
    """Watch over what is done inside.

    After `seconds` the stacks of all threads are written to `stack_file` and the process ends at
    once, even where it holds Python's global lock. Without `seconds` nothing is watched.
    """
    if seconds is None:
        yield
        return
    with _writing(stack_file) as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    stack_file.unlink(missing_ok=True)


def _writing(stack_file: Path) -> AbstractContextManager[TextIO]:
    """Open the file, or standard error where there is no room for it."""
    try:
        stack_file.parent.mkdir(parents=True, exist_ok=True)
        return stack_file.open("w", encoding="utf-8")
    except OSError:
        return nullcontext(sys.stderr)


def hanging_place(stack: str) -> str:
    """Return the innermost line of ours on a stack that was kept, or the innermost of all.

    Args:
        stack: what `faulthandler` wrote, of which the thread that was watched comes last.
    """
    _, _, watched_thread = stack.rpartition("most recent call first")
    frames = [
        line.strip() for line in watched_thread.splitlines() if line.strip().startswith("File")
    ]
    ours = [frame for frame in frames if "/dlf/" in frame or "/search/" in frame]
    return next(iter(ours or frames), "a place that is not known")
