"""How recorded work comes to its end: done, interrupted or broken off, and all of it told."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tracking.records import Ending, Summary


class RecordedWork:
    """A context around work; whatever ends it, the recorders hear of it once and are waited for.

    Work that is done says what it came to in `summary`; any other prints how to go on with it.
    """

    def __init__(self, finish: Callable[[Summary], str | None], resume_command: str) -> None:
        """Take what ends the recorders, such as `Recorder.finish`, and what goes on with the work.

        Args:
            finish: is given what the work came to, and returns what could not be kept, or none.
            resume_command: as one would type it.
        """
        self.summary: Summary | None = None
        self.missing: str | None = None
        """what could not be kept, in a sentence, once the work has ended"""
        self._finish = finish
        self._resume_command = resume_command

    @property
    def broken_off(self) -> bool:
        """Whether the work has not said what it came to."""
        return self.summary is None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell how the work ended, and wait until everything is kept."""
        summary = self.summary
        if summary is None:
            print(f"go on with:  {self._resume_command}", file=sys.stderr)
            interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
            summary = Summary(ending=Ending.INTERRUPTED if interrupted else Ending.FAILED)
        self.missing = self._finish(summary)
