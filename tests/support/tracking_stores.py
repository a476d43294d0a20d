"""Empty tracking stores in sqlite files: copies of one, for making one takes seconds."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tracking.store.connection import connect
from tracking.store.location import TrackingLocation, resolve


@cache
def _template() -> "tuple[TemporaryDirectory[str], Path]":
    folder = TemporaryDirectory(prefix="template-store-")
    file = Path(folder.name, "mlflow.db")
    connect(resolve(f"sqlite:///{file}"))
    return folder, file


def store_at(file: Path) -> TrackingLocation:
    """Make an empty store, where there is none yet."""
    if not file.exists():
        shutil.copy(_template()[1], file)
    return resolve(f"sqlite:///{file}")
