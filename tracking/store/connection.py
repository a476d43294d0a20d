"""How a tracking store is opened: MLflow is made quiet, imported, and asked whether it answers.

A sqlite database gets its name when it is whole: one that MLflow was killed in the making of would
be of no use to it.

Importing this module does not import MLflow, which takes seconds; `connect` does.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from dlf.command import BadInputError
from tracking.store.errors import StoreRefusedError, translated_errors
from tracking.store.location import SQLITE_PREFIX, TrackingLocation
from tracking.store.mlflow_store import MlflowStore, Persist, ask_once

CONTACT_SECONDS = 5


def quiet_mlflow() -> None:
    """Tell MLflow, before its import, to send no telemetry, print nothing and not to retry.

    A creation that is repeated where nobody sees it makes two runs. Whoever writes repeats himself.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def connect(location: TrackingLocation, persist: Persist = ask_once) -> MlflowStore:
    """Open the store, creating a sqlite database that does not exist.

    Whether it answers at all is asked once; `persist` makes the requests after that.

    Raises:
        StoreAwayError: when nothing answers there now.
        BadInputError: when what is there cannot be used.
    """
    quiet_mlflow()
    file = location.database_file
    if file is not None:
        if not file.exists():
            _create_sqlite(location, file)
        _check_sqlite(location, file)
    from alembic.util import CommandError
    from mlflow import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with translated_errors():
            client = MlflowClient(location.uri, registry_uri=location.uri)
            MlflowStore(client).check()
    except StoreRefusedError as error:
        raise location.unusable(str(error)) from error
    except CommandError as error:
        raise location.unusable("it is a database of something other than MLflow") from error
    except SQLAlchemyError as error:
        raise location.unusable(
            f"{_first_line(error)}; unless another program is making it now, it was left half "
            "made: move the file away"
        ) from error
    return MlflowStore(client, persist)


def connect_to_read(location: TrackingLocation) -> MlflowStore:
    """Open a store that exists: whoever only reads creates none.

    Raises:
        StoreAwayError: when nothing answers there now.
        BadInputError: when there is none, or it cannot be used.
    """
    file = location.database_file
    if file is not None and not file.exists():
        raise BadInputError(f"there is no tracking store {location.shown}")
    return connect(location)


def _create_sqlite(location: TrackingLocation, file: Path) -> None:
    """Let MLflow make a database beside the place and put it there, unless another is there now."""
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import SQLAlchemyError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise location.unusable(f"its folder cannot be made ({error.strerror})") from error
    try:
        with TemporaryDirectory(prefix=f".{file.name}.unfinished-", dir=file.parent) as folder:
            unfinished = Path(folder) / file.name
            with translated_errors():
                made = SqlAlchemyStore(
                    f"{SQLITE_PREFIX}{unfinished}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
                )
            made.engine.dispose()
            _put(unfinished, file)
    except (StoreRefusedError, SQLAlchemyError) as error:
        raise location.unusable(f"it cannot be made ({_first_line(error)})") from error
    except OSError as error:
        raise location.unusable(f"its folder cannot be written ({error.strerror})") from error


def _put(unfinished: Path, file: Path) -> None:
    """Give a file its name, unless another one has it: unlike a renaming, a link replaces none."""
    try:
        os.link(unfinished, file)
    except FileExistsError:
        return
    except OSError:
        # Some file systems know no links.
        if not file.exists():
            unfinished.rename(file)


def _check_sqlite(location: TrackingLocation, file: Path) -> None:
    """Take and release the write lock, for MLflow itself retries a bad file for minutes."""
    try:
        with closing(sqlite3.connect(file, timeout=CONTACT_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        raise location.unusable(str(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
