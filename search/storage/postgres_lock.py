"""The lock on a study in a Postgres database: an advisory lock, which ends with its connection."""

import hashlib
from datetime import UTC, datetime

from sqlalchemy import URL, Connection, Row, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from dlf.command import BadInputError, one_line
from search.storage.lost_connection import LostConnectionError, raise_if_lost
from search.storage.postgres_session import CONFIGURE, SERVER_KEEPALIVES, connect_arguments
from search.storage.study_lock import Holder, StudyLock
from tracking.passwords import without_password

_SETTINGS = {
    **SERVER_KEEPALIVES,
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
"""the server must not end an idle session"""

_NAME_BYTES = 63

_TRY = text("SELECT pg_try_advisory_lock(:key)")
_ALIVE = text("SELECT 1")
_OUR_PID = text("SELECT pg_backend_pid()")
_END = text("SELECT pg_terminate_backend(:pid)")
_WHO = text(
    "SELECT activity.application_name, activity.pid FROM pg_locks AS lock "
    "JOIN pg_stat_activity AS activity ON activity.pid = lock.pid "
    "WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 "
    "AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND CAST(lock.classid AS bigint) = :high AND CAST(lock.objid AS bigint) = :low"
)


class StudyPostgresLock(StudyLock):
    """A session's advisory lock on a key made of the study's name.

    The connection goes to the server itself, or through a pooler that keeps sessions: one that
    shares them between transactions would lose the lock.
    """

    def __init__(self, url: URL, name: str) -> None:
        self._key = study_key(name)
        self._url = url
        self._shown = without_password(url.render_as_string())
        self._name = name_of_holder(Holder.of_this_process())
        self._connection: Connection | None = None
        self._session: int | None = None
        """the server's process that has the lock for us, or had it last"""

    def take(self) -> bool:
        """Open a connection and try for the lock; without it, close the connection again."""
        try:
            return self._try_for_it()
        except (SQLAlchemyError, ImportError) as error:
            raise _unusable(error) from error

    def release(self) -> None:
        """Close the connection, and with it the lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def holder(self) -> Holder | None:
        """Ask the server which session has the lock."""
        try:
            with self._connect() as connection:
                owner = self._owner(connection)
        except (SQLAlchemyError, ImportError) as error:
            raise _unusable(error) from error
        return None if owner is None else holder_of_name(owner.application_name)

    def still_held(self) -> bool:
        """Return whether the connection lives; when it was lost, try for the lock on a new one.

        Takes half a minute when the server does not answer at all. Not for two threads at once.
        """
        try:
            return self._is_alive() or self._take_back()
        except SQLAlchemyError as error:
            raise_if_lost(error, self._shown)
            raise _unusable(error) from error

    def _is_alive(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(_ALIVE)
        except SQLAlchemyError:
            # SQLAlchemy would connect again by itself, in a session that has no lock.
            self.release()
            return False
        return True

    def _take_back(self) -> bool:
        """Take the lock that was lost, be it from a dead session of ours.

        Raises:
            LostConnectionError: when the server has not ended that session yet.
        """
        if self._try_for_it():
            return True
        with self._connect() as connection:
            owner = self._owner(connection)
            if owner is not None:
                if (owner.application_name, owner.pid) != (self._name, self._session):
                    return False
                connection.execute(_END, {"pid": owner.pid})
        raise LostConnectionError(self._shown, "it has not ended our former session yet")

    def _try_for_it(self) -> bool:
        connection = self._connect()
        try:
            for name, value in (_SETTINGS | {"application_name": self._name}).items():
                connection.exec_driver_sql(CONFIGURE, {"name": name, "value": value})
            if connection.scalar(_TRY, {"key": self._key}):
                self._session = connection.scalar(_OUR_PID)
                self._connection = connection
        finally:
            if self._connection is None:
                connection.close()
        return self._connection is not None

    def _owner(self, connection: Connection) -> Row[tuple[str, int]] | None:
        high, low = divmod(self._key % 2**64, 2**32)
        return connection.execute(_WHO, {"high": high, "low": low}).one_or_none()

    def _connect(self) -> Connection:
        engine = create_engine(
            self._url,
            poolclass=NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            connect_args=connect_arguments(self._url),
        )
        return engine.connect()


def study_key(name: str) -> int:
    """Return the 64-bit key of a study's advisory lock, the same on every machine and version."""
    digest = hashlib.sha256(f"dlf study {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def name_of_holder(holder: Holder) -> str:
    """Return a holder as an application's name: ASCII, and cut to the 63 bytes that Postgres keeps.

    The host comes last, as the part that may be cut.
    """
    user = holder.user.replace(" ", "_")
    words = f"dlf {holder.pid} {holder.since.timestamp():.0f} {user[:20]} {holder.host}"
    return words.encode("ascii", "replace").decode()[:_NAME_BYTES]


def holder_of_name(name: str) -> Holder:
    """Return the holder that an application's name tells of."""
    words = name.split(" ")
    if len(words) != 5 or words[0] != "dlf" or not (words[1] + words[2]).isdecimal():
        return Holder.unnamed()
    since = datetime.fromtimestamp(int(words[2]), UTC)
    return Holder(host=words[4], pid=int(words[1]), user=words[3], since=since)


def _unusable(error: SQLAlchemyError | ImportError) -> BadInputError:
    return BadInputError(
        "the --storage cannot be opened to lock the study; it is the URL of a Postgres database, "
        "such as postgresql+psycopg://host/name, and needs pip install '.[postgres]' "
        f"({without_password(one_line(error))})"
    )
