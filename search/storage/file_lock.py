"""The lock on a study whose storage is a file: a locked file, freed with its owner's death."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from dlf.command import BadInputError, reason_of
from search.storage.study_lock import Holder, StudyLock

ANNOUNCEMENT_SECONDS = 1.0
"""how long a process that has the lock may take to say who it is"""


class StudyFileLock(StudyLock):
    """A lock on `<beside>.driver.lock`; who has it is told in `<beside>.driver.json`.

    The lock alone decides: what a dead owner left in the second file is not believed. Both files
    stay where they are when the owner is killed; an empty lock file means nothing.
    """

    def __init__(self, beside: Path) -> None:
        self._path = beside.with_name(beside.name + ".driver.lock")
        self._told = beside.with_name(beside.name + ".driver.json")
        self._lock = FileLock(self._path, thread_local=False)
        self._file: tuple[int, int] | None = None

    def take(self) -> bool:
        """Take it, and say who we are."""
        try:
            # Without this, filelock would make the folders that a mistyped path names.
            self._path.parent.stat()
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._tell(Holder.of_this_process())
            self._file = _identity(self._path)
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            if self._file is None:
                self._lock.release()
        return True

    def release(self) -> None:
        """Give it back, and no longer say that it is ours."""
        if self._has_our_file():
            # What stays behind is not believed without the lock.
            with suppress(OSError):
                self._told.unlink()
        self._file = None
        self._lock.release()

    def holder(self) -> Holder | None:
        """Return who has it; waits a moment for one that has just taken it to say who it is."""
        deadline = time.monotonic() + ANNOUNCEMENT_SECONDS
        while self._is_locked():
            holder = self._read_told()
            if holder is not None and _may_live(holder):
                return holder
            if time.monotonic() > deadline:
                return holder or Holder.unnamed()
            time.sleep(0.02)
        return None

    def still_held(self) -> bool:
        """Return whether the file that we locked is still the one that others would lock."""
        return self._lock.is_locked and self._has_our_file()

    def _has_our_file(self) -> bool:
        try:
            return _identity(self._path) == self._file
        except OSError:
            return False

    def _is_locked(self) -> bool:
        # A shared lock for an instant: it needs no right to write, creates no file, and lets others
        # look at the same time. A driver that starts meanwhile tries more than once.
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _tell(self, holder: Holder) -> None:
        new = self._told.with_suffix(".new")
        new.write_text(holder.model_dump_json() + "\n", encoding="utf-8")
        new.replace(self._told)

    def _read_told(self) -> Holder | None:
        try:
            return Holder.model_validate_json(self._told.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValidationError):
            return None

    def _unusable(self, error: OSError) -> BadInputError:
        return BadInputError(
            f"the lock {self._path} of the study cannot be used ({reason_of(error)}); the study "
            "must lie in a folder that can be written, on a file system with locks"
        )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _may_live(holder: Holder) -> bool:
    if holder.pid is None or not holder.is_here:
        return True
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
