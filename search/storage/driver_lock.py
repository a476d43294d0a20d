"""One driver for a study at a time: the second is refused with who holds it.

    with hold_study(place.folder, storage_url, name) as lock:
        ...

Beside a journal or a sqlite file that is a file lock, on Postgres an advisory lock. Both are void
the moment their owner dies, kill -9 included.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from dlf.command import BadInputError
from search.storage.file_lock import StudyFileLock
from search.storage.postgres_lock import StudyPostgresLock
from search.storage.study_lock import Holder, StudyLock

__all__ = ["Holder", "StudyLock", "hold_study", "holder_of"]

PATIENCE_SECONDS = 3.0
"""a lock is tried for so long: a server needs a moment to see that an owner has died"""


@contextmanager
def hold_study(folder: Path, storage_url: str | None, name: str) -> Iterator[StudyLock]:
    """Hold a study while the block runs.

    Args:
        folder: the study's folder, which must exist.
        storage_url: the study's storage; none for a journal in the folder.
        name: the study's name.

    Raises:
        BadInputError: when another driver holds it, with who that is, or when it cannot be locked.
    """
    lock = _lock_of(folder, storage_url, name)
    _take(lock, name)
    try:
        yield lock
    finally:
        lock.release()


def holder_of(folder: Path, storage_url: str | None, name: str) -> Holder | None:
    """Return who drives a study now; none when nobody does. Creates nothing and disturbs nobody.

    Raises:
        BadInputError: when the lock cannot be looked at.
    """
    return _lock_of(folder, storage_url, name).holder()


def _take(lock: StudyLock, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not lock.take():
        if time.monotonic() > deadline:
            holder = lock.holder()
            # Its owner may have ended since the last try.
            if holder is not None:
                raise BadInputError(holder.refusal(name))
        time.sleep(0.05)


def _lock_of(folder: Path, storage_url: str | None, name: str) -> StudyLock:
    """Return the lock that all drivers of the study meet at.

    A sqlite file is locked where it lies, so that drivers with different outputs meet; it may hold
    several studies. Drivers on another database server (MySQL) meet only when they share the
    study's folder.
    """
    if storage_url is None:
        return StudyFileLock(folder / "study")
    try:
        url = make_url(storage_url)
    except ArgumentError as error:
        raise BadInputError(
            "the --storage is not the URL of a database, such as sqlite:///study.db or "
            "postgresql+psycopg://host/name"
        ) from error
    backend = url.get_backend_name()
    if backend == "postgresql":
        return StudyPostgresLock(url, name)
    if backend == "sqlite" and url.database not in (None, "", ":memory:"):
        file = Path(url.database).resolve()
        return StudyFileLock(file.with_name(f"{file.name}.{name}"))
    return StudyFileLock(folder / "study")
