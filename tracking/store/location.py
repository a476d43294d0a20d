"""Where runs are tracked: a local sqlite file by default, else an MLflow server."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from dlf.command import BadInputError
from tracking.passwords import without_password
from tracking.records import Record

SERVER_SCHEMES = ("http", "https")
DATABASE_SCHEMES = ("postgresql", "mysql", "mssql")
SQLITE_PREFIX = "sqlite:///"
DATABASE_FILE, ARTIFACTS_FOLDER = "mlflow.db", "mlartifacts"
"""where trials are tracked to if nothing is said, and artifacts beside any database file"""
URI_VARIABLE = "MLFLOW_TRACKING_URI"

VALID = "valid are sqlite:///PATH (sqlite:///runs/mlflow.db) and a server (http://127.0.0.1:5000)"


class TrackingLocation(Record):
    """A tracking store, and the folder of its artifacts, which a server chooses itself."""

    uri: str
    artifact_root: str | None = None

    @property
    def database_file(self) -> Path | None:
        """The file of a sqlite store; none for a server."""
        if self.uri.startswith(SQLITE_PREFIX):
            return Path(self.uri.removeprefix(SQLITE_PREFIX))
        return None

    @property
    def shown(self) -> str:
        """The address as people may see it, without its password."""
        return without_password(self.uri)

    @property
    def is_default(self) -> bool:
        """Whether it is where trials are tracked to if no address is typed."""
        try:
            return self == resolve(None)
        except BadInputError:
            return False

    def unusable(self, reason: str) -> BadInputError:
        """Return the error that says why nothing can be tracked there."""
        return BadInputError(f"the tracking store {self.shown} cannot be used: {reason}")


def resolve(tracking_uri: str | None) -> TrackingLocation:
    """Make an address independent of the working folder.

    Without one, $MLFLOW_TRACKING_URI is taken, and without that `mlflow.db` in the working folder.

    Raises:
        BadInputError: for an address that we cannot track to.
    """
    tracking_uri = tracking_uri or os.environ.get(URI_VARIABLE)
    if not tracking_uri:
        return _sqlite(Path(DATABASE_FILE))
    if tracking_uri.partition("://")[2].partition("/")[0].count("@") > 1:
        raise BadInputError(
            "the tracking address has a second @ in its user or password, which is written %40"
        )
    shown = without_password(tracking_uri)
    if tracking_uri.startswith(SQLITE_PREFIX):
        path = tracking_uri.removeprefix(SQLITE_PREFIX)
        if not path or path.startswith(":") or path.endswith("/") or "?" in path:
            raise BadInputError(f"the tracking address {shown!r} names no database file; {VALID}")
        return _sqlite(Path(path))
    try:
        parts = urlsplit(tracking_uri)
    except ValueError as error:
        raise BadInputError(f"the tracking address {shown!r} is malformed; {VALID}") from error
    if parts.scheme.partition("+")[0] in DATABASE_SCHEMES:
        raise BadInputError(
            f"the database {shown!r} has no place for artifacts; track to an MLflow server in "
            "front of it, which `mlflow server --backend-store-uri` starts"
        )
    if parts.scheme in SERVER_SCHEMES:
        if not parts.hostname:
            raise BadInputError(f"the tracking address {shown!r} names no host; {VALID}")
        return TrackingLocation(uri=tracking_uri)
    if parts.scheme in ("", "file"):
        raise BadInputError(f"MLflow no longer tracks to a folder such as {shown!r}; {VALID}")
    raise BadInputError(
        f"the tracking address {shown!r} is of an unknown kind, {parts.scheme!r}; {VALID}"
    )


def _sqlite(file: Path) -> TrackingLocation:
    absolute = file.expanduser().absolute()
    if absolute.is_dir():
        raise BadInputError(f"the tracking database {absolute} is a folder; {VALID}")
    return TrackingLocation(
        uri=f"{SQLITE_PREFIX}{absolute}",
        artifact_root=(absolute.parent / ARTIFACTS_FOLDER).as_uri(),
    )
