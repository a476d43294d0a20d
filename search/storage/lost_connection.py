"""Which errors of a database mean that its server is away, and nothing worse."""

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from dlf.command import WorkFailedError
from tracking.passwords import without_password

_AWAY_CLASS = "08"
"""of SQLSTATEs: connection exceptions"""
_AWAY = {
    "57P01",  # it is shut down by its administrator
    "57P02",  # another of its processes has crashed
    "57P03",  # it starts or stops just now
    "53300",  # it has too many clients
}


class LostConnectionError(WorkFailedError):
    """A server does not answer; what was asked of it may have been done or not."""

    def __init__(self, storage: str, said: str) -> None:
        self.words = f"the study's database {storage} does not answer ({said})"
        super().__init__(f"{self.words}; try again when it does")


def raise_if_lost(error: BaseException, storage: str) -> None:
    """Raise `LostConnectionError` in place of an error that says no more than that.

    Args:
        error: of SQLAlchemy, or of Optuna around it.
        storage: where the study lies, as people may see it.
    """
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError) and _is_lost(cause):
        # libpq adds advice, and says it all again for each address of a host.
        said = str(cause.orig or cause).strip().partition("\n")[0]
        raise LostConnectionError(storage, without_password(said)[:200]) from error


def _is_lost(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    # psycopg's name of it, and psycopg2's; libpq itself, which connects, tells none.
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state.startswith(_AWAY_CLASS) or state in _AWAY
