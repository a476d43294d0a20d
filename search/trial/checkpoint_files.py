"""Where checkpoints lie: a folder that workers and driver see, or one on a remote file system.

Files have names relative to it, such as trial-3/training.pt, and are replaced as a whole.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from dlf.command import one_line
from dlf.whole_file import replaced_whole
from tracking.remote.folder import RemoteFolder


class CheckpointsAwayError(OSError):
    """The file system of the checkpoints does not answer; what lies there may be whole."""


class CheckpointFiles(ABC):
    """What a place of checkpoints can do; all of it may raise `OSError`."""

    @abstractmethod
    def shown(self, name: str) -> str:
        """Return where a file lies, as people may see it."""

    @abstractmethod
    def replaced(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Give a file to write to, which takes the place of the named one in the end.

        Where the writing fails a former file stays as it was.
        """

    @abstractmethod
    def opened(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Give a file to read; raises `FileNotFoundError` when it is not there."""

    @abstractmethod
    def folders(self) -> list[str]:
        """Return the names of the folders that are there."""

    @abstractmethod
    def discard(self, folder: str) -> None:
        """Remove a folder and all that it has, if it is there."""


class LocalFiles(CheckpointFiles):
    """Those in a folder of this machine, or of a file system that all machines have mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def shown(self, name: str) -> str:
        """Return the path."""
        return str(self._folder / name)

    @contextmanager
    def replaced(self, name: str) -> Iterator[IO[bytes]]:
        """Write beside the file."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_whole(path) as unfinished, unfinished.open("wb") as file:
            yield file

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Read the file itself."""
        with (self._folder / name).open("rb") as file:
            yield file

    def folders(self) -> list[str]:
        """List them."""
        return [path.name for path in self._folder.glob("*") if path.is_dir()]

    def discard(self, folder: str) -> None:
        """Remove it, as far as that can be done."""
        shutil.rmtree(self._folder / folder, ignore_errors=True)


class RemoteFiles(CheckpointFiles):
    """Those on a remote file system; what is written or read lies here for a moment, unnamed."""

    def __init__(self, folder: RemoteFolder) -> None:
        self._folder = folder

    def shown(self, name: str) -> str:
        """Return the address, without its password."""
        return f"{self._folder.shown}/{name}"

    @contextmanager
    def replaced(self, name: str) -> Iterator[IO[bytes]]:
        """Write here, then send it."""
        with TemporaryFile() as file:
            yield file
            file.seek(0)
            self._folder.upload(name, file)

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Fetch it, then read it here; raises `CheckpointsAwayError` when nobody answers."""
        with TemporaryFile() as file:
            try:
                self._folder.download(name, file)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise CheckpointsAwayError(
                    f"{self.shown(name)} cannot be reached: {one_line(error)}"
                ) from error
            file.seek(0)
            yield file

    def folders(self) -> list[str]:
        """Ask for them."""
        return self._folder.folders()

    def discard(self, folder: str) -> None:
        """Remove it, unless the file system does not answer: what is left behind harms nobody."""
        with suppress(OSError):
            self._folder.delete_folder(folder)
