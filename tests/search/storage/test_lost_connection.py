"""Which errors say no more than that a server is away."""

import psycopg
import psycopg.errors
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

from search.storage.lost_connection import LostConnectionError, raise_if_lost

PLACE = "postgresql://lab3/dlf"


def wrapped(kind: type[DBAPIError], original: Exception) -> DBAPIError:
    return kind("SELECT 1", {}, original)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(OperationalError, psycopg.OperationalError("server closed the connection")),
        wrapped(InterfaceError, psycopg.InterfaceError("the connection is closed")),
        wrapped(OperationalError, psycopg.errors.AdminShutdown("terminating connection")),
        wrapped(OperationalError, psycopg.errors.CrashShutdown("terminating connection")),
        wrapped(OperationalError, psycopg.errors.CannotConnectNow("is starting up")),
        wrapped(OperationalError, psycopg.errors.TooManyConnections("too many clients")),
        wrapped(OperationalError, psycopg.errors.ConnectionFailure("connection failure")),
        DBAPIError("SELECT 1", {}, Exception("gone"), connection_invalidated=True),
    ],
    ids=lambda error: type(error.orig).__name__,
)
def test_a_server_that_is_away_is_named(error: DBAPIError) -> None:
    with pytest.raises(LostConnectionError) as lost:
        raise_if_lost(error, PLACE)
    assert lost.value.words == f"the study's database {PLACE} does not answer ({error.orig})"
    around = StorageInternalError()
    around.__cause__ = error
    with pytest.raises(LostConnectionError):
        raise_if_lost(around, PLACE)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(OperationalError, psycopg.errors.DiskFull("could not extend file")),
        wrapped(OperationalError, psycopg.errors.DeadlockDetected("deadlock detected")),
        wrapped(ProgrammingError, psycopg.errors.UndefinedTable("no such relation")),
        wrapped(ProgrammingError, psycopg.ProgrammingError("invalid option")),
        wrapped(IntegrityError, psycopg.errors.UniqueViolation("duplicate key")),
        StorageInternalError("without a cause"),
        ValueError("something else"),
    ],
    ids=lambda error: type(getattr(error, "orig", error)).__name__,
)
def test_any_other_error_is_left_alone(error: Exception) -> None:
    raise_if_lost(error, PLACE)


def test_only_the_first_line_of_libpq_is_told_and_no_password() -> None:
    said = "no postgresql://anna:secret@lab3\n\tIs the server running on that host?"
    with pytest.raises(LostConnectionError) as lost:
        raise_if_lost(wrapped(OperationalError, psycopg.OperationalError(said)), PLACE)
    assert str(lost.value) == (
        f"the study's database {PLACE} does not answer (no postgresql://anna:***@lab3); "
        "try again when it does"
    )
