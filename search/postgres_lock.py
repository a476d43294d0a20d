"""The lock on a study in a Postgres database: an advisory lock, which ends with its connection."""

import hashlib
from datetime import UTC, datetime

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from dlf.command import BadInputError, one_line
from search.study_lock import Holder, StudyLock
from tracking.location import without_password

_LIBPQ = ("psycopg", "psycopg2")
_OUR_END = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""a server that is gone is noticed in seconds, not in the quarter of an hour of TCP"""

_SERVER_END = {
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""the server must not end an idle session, and notices in a minute that our machine has died"""

_NAME_BYTES = 63

# Settings that a server is too old to know are left out.
_CONFIGURE = text("SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :name")
_TRY = text("SELECT pg_try_advisory_lock(:key)")
_ALIVE = text("SELECT 1")
_WHO = text(
    "SELECT activity.application_name FROM pg_locks AS lock "
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
        self._connection: Connection | None = None

    def take(self) -> bool:
        """Open a connection and try for the lock; without it, close the connection again."""
        try:
            connection = self._connect()
            try:
                self._set_up(connection)
                if connection.scalar(_TRY, {"key": self._key}):
                    self._connection = connection
            finally:
                if self._connection is None:
                    connection.close()
        except (SQLAlchemyError, ImportError) as error:
            raise _unusable(error) from error
        return self._connection is not None

    def release(self) -> None:
        """Close the connection, and with it the lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def holder(self) -> Holder | None:
        """Ask the server which session has the lock."""
        high, low = divmod(self._key % 2**64, 2**32)
        try:
            with self._connect() as connection:
                name = connection.scalar(_WHO, {"high": high, "low": low})
        except (SQLAlchemyError, ImportError) as error:
            raise _unusable(error) from error
        return None if name is None else holder_of_name(name)

    def still_held(self) -> bool:
        """Return whether the connection lives; when it was lost, try for the lock on a new one.

        Takes half a minute when the server does not answer at all. Not for two threads at once.
        """
        if self._connection is not None:
            try:
                self._connection.execute(_ALIVE)
                return True
            except SQLAlchemyError:
                # SQLAlchemy would connect again by itself, in a session that has no lock.
                self.release()
        try:
            return self.take()
        except BadInputError:
            return False

    def _connect(self) -> Connection:
        engine = create_engine(
            self._url,
            poolclass=NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            connect_args=_OUR_END if self._url.get_driver_name() in _LIBPQ else {},
        )
        return engine.connect()

    def _set_up(self, connection: Connection) -> None:
        settings = _SERVER_END | {"application_name": name_of_holder(Holder.of_this_process())}
        for name, value in settings.items():
            connection.execute(_CONFIGURE, {"name": name, "value": value})


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
        "such as postgresql+psycopg://host/name, and needs pip install 'dlf-search[postgres]' "
        f"({without_password(one_line(error))})"
    )
