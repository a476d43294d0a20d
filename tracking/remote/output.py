"""Where studies lie: in a folder, or in one on a remote file system, with working copies here."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Self

from dlf.command import BadInputError
from tracking.recorder import Recorder
from tracking.records import Record
from tracking.remote.folder import RemoteFolder
from tracking.remote.mirror import Mirror
from tracking.remote.mirror_recorder import MirrorRecorder

HERE = Path("runs")
"""the folder of the working copies of a remote output's studies"""


class Output(Record):
    """The place of all studies."""

    folder: Path
    """on this machine"""
    remote: RemoteFolder | None = None

    @classmethod
    def at(cls, text: str) -> Self:
        """Read what a flag says: a path, or a URI.

        Raises:
            BadInputError: for a URI that no file system has.
        """
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
            return cls(folder=HERE, remote=RemoteFolder.at(text))
        return cls(folder=Path(text))

    def __str__(self) -> str:
        return str(self.folder) if self.remote is None else self.remote.uri

    def of(self, study: str) -> "StudyOutput":
        """Return the place of one study, or of one ablation."""
        folder = self.folder.absolute() / study
        if self.remote is None:
            return StudyOutput(folder, None)
        return StudyOutput(folder, Mirror(folder, self.remote.child(study)))

    def refuse_without(self, storage: str | None) -> None:
        """Raise `BadInputError` when studies here need a storage elsewhere, and have none."""
        if self.remote is not None and storage is None:
            raise BadInputError(
                f"nothing can be appended to a study's journal in {self.remote.shown}; give the "
                "study a database by --storage or $DLF_STORAGE, such as "
                "postgresql+psycopg://host/name"
            )


class StudyOutput:
    """The place of one study: its folder here, and what that is the working copy of, if any."""

    def __init__(self, folder: Path, mirror: Mirror | None) -> None:
        self.folder = folder
        self._mirror = mirror

    def refuse_unusable(self, *, to_write: bool) -> None:
        """Raise `BadInputError` when a remote place cannot be read, or made to be written."""
        if self._mirror is not None:
            self._mirror.refuse_unusable(to_write=to_write)

    def fetch(self) -> None:
        """Bring the folder here up to a remote one; what was changed only here stays.

        Raises:
            BadInputError: when that cannot be done, or a file was changed here and there.
        """
        if self._mirror is not None:
            self._mirror.fetch()

    def recorders(self, tell: Callable[[str], None]) -> list[Recorder]:
        """Return who sends the folder to a remote place while trials run; `tell` hears of it."""
        return [] if self._mirror is None else [MirrorRecorder(self._mirror, tell)]

    def for_workers(self, folder: Path) -> Path | RemoteFolder:
        """Return where workers find a folder of the study, on whichever machine they run."""
        if self._mirror is None:
            return folder
        return self._mirror.remote.child(folder.relative_to(self.folder).as_posix())
