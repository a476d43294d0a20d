"""Keeps a study's report up to date while its search runs, so that one can look in the middle."""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

from dlf.command import one_line
from search.recording.study_report import write_report
from search.study.open_study import OpenStudy
from tracking.passwords import without_password

PAUSE = 60.0
"""seconds between two reports, at least"""
SHARE = 0.01
"""of the driver's time, that reports may take"""


class LiveReport:
    """Writes the report when it is due; one that cannot be written costs the search nothing."""

    def __init__(
        self,
        opened: OpenStudy,
        folder: Path,
        links: Callable[[], Mapping[int, str]],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._opened = opened
        self._folder = folder
        self._links = links
        self._tell = tell
        self._due = monotonic() + PAUSE

    def look(self) -> None:
        """Write the report, unless it was written just now."""
        if monotonic() >= self._due:
            started = monotonic()
            self.write("The search is running; this page is written anew every minute or so.")
            ended = monotonic()
            self._due = ended + max(PAUSE, (ended - started) / SHARE)

    def write(self, standing: str = "") -> Path | None:
        """Write the report as the study is now; return none where it cannot be written.

        Args:
            standing: how the study stands, or ended, in one sentence.
        """
        try:
            return write_report(self._opened, self._folder, self._links(), standing=standing)
        # A search must not end for want of a picture of it.
        except Exception as error:
            said = f"{type(error).__name__}: {without_password(one_line(error))}"
            self._tell(f"the report could not be written ({said})")
            return None
