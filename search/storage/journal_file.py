"""The journal file of a study, and its mending after a killed driver or a full disk."""

import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from dlf.command import BadInputError, reason_of

ABANDONED_SECONDS = 5.0
"""a journal is locked for one write and its fsync; a lock older than this has no owner"""

_BLOCK = 1 << 16

_LASTING = ("state", "user_attr")
"""fields of the records that begin or end a trial, or are our own attributes of it or the study"""


class StudyJournal(JournalFileBackend):
    """Optuna's journal file, which is not begun anew where it was removed, and costs less time.

    Every record is written at once and outlives the process. Optuna also waits for the disk after
    each of them, so that it outlives a loss of power; here a trial's number, parameters, rungs and
    intermediate values wait for its next record that lasts: the seeds, which it has before it is
    trained or tracked, or its end. Values that power takes away are reported again on resume.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add records.

        Raises:
            OSError: when they cannot be written, or the file is not there any more.
        """
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            with open(self._file_path, "ab", opener=_open_existing) as file:
                file.write(lines.encode())
                file.flush()
                if any(field in log for log in logs for field in _LASTING):
                    os.fsync(file.fileno())
        finally:
            self._lock.release()


def mend_journal(path: Path) -> str | None:
    """Make a journal fit to be read and written, and return what was mended; none when it is fit.

    Optuna appends to whatever the file ends in: a record after a half-written line makes a line
    that is no JSON, and with the next one the journal cannot be read any more. So a last line that
    has no newline, or is no JSON, is cut off; no reader has ever got anything from it. A lock that
    a killed process left is removed, for which Optuna would wait half a minute, or for ever when
    the folder was moved meanwhile. A lock that is younger than `ABANDONED_SECONDS` is waited for:
    it may be that of a promotion, which writes to the journal beside a driver. The cut happens
    under Optuna's own lock, so that nobody's record under way is taken for a torn one; that makes
    it right to call this before any writing, with the study held or not.

    Raises:
        BadInputError: when the journal cannot be read, or should be mended and cannot.
    """
    if not path.exists():
        return None
    mended = []
    try:
        if _remove_abandoned_lock(path):
            mended.append("a lock of a killed process was removed")
        if _torn_bytes(path):
            lock = JournalFileSymlinkLock(str(path))
            lock.acquire()
            try:
                torn = _cut_torn_line(path)
            finally:
                lock.release()
            if torn:
                mended.append(f"a half-written last line of {torn} bytes was cut off")
    except OSError as error:
        raise BadInputError(
            f"the journal {path} cannot be mended ({reason_of(error)}); it must be writable"
        ) from error
    return f"the journal {path} was mended: {', and '.join(mended)}" if mended else None


def _open_existing(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)


def _remove_abandoned_lock(path: Path) -> bool:
    lock = path.with_name(path.name + ".lock")
    while (made := _made(lock)) is not None:
        # Of a clock that is wrong by more than that we wait for nothing.
        if abs(time.time() - made) > ABANDONED_SECONDS:
            # In two steps, as Optuna does it: only one of several can rename it.
            mine = lock.with_name(f"{lock.name}{uuid.uuid4()}.rename")
            with suppress(FileNotFoundError):
                lock.rename(mine)
                mine.unlink()
                return True
        time.sleep(0.05)
    return False


def _made(lock: Path) -> float | None:
    try:
        return lock.lstat().st_mtime
    except FileNotFoundError:
        return None


def _torn_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return _size(file) - _end_of_records(file)


def _cut_torn_line(path: Path) -> int:
    with path.open("r+b") as file:
        end = _end_of_records(file)
        torn = _size(file) - end
        if torn:
            file.truncate(end)
            os.fsync(file.fileno())
    return torn


def _end_of_records(file: BinaryIO) -> int:
    """Return where the last good record ends, newline included."""
    end = _line_start(file, _size(file))
    start = _line_start(file, end - 1)
    file.seek(start)
    try:
        json.loads(file.read(end - start) or b"null")
    except ValueError:
        return start
    return end


def _line_start(file: BinaryIO, position: int) -> int:
    """Return where the line begins that ends at, or goes on beyond, a position."""
    while position > 0:
        block = min(position, _BLOCK)
        file.seek(position - block)
        newline = file.read(block).rfind(b"\n")
        if newline >= 0:
            return position - block + newline + 1
        position -= block
    return 0


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)
