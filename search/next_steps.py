"""The commands that follow a search, as one would type them where it was started."""

import shlex
import sys
from pathlib import Path

from tracking.location import TrackingLocation, without_password

PROJECT = Path(__file__).absolute().parents[1]


def look_command(location: TrackingLocation) -> str:
    """Return what opens the MLflow UI on the search."""
    if location.database_file is None:
        return f"open {location.shown}"
    if location.database_file == PROJECT / "mlflow.db" and Path.cwd() == PROJECT:
        return "make ui"
    return shlex.join([_python(), "-m", "mlflow", "ui", "--backend-store-uri", location.uri])


def promote_command(study: str, flags: dict[str, str | Path | None]) -> str:
    """Return what promotes the best trial; flags that are none are left out, passwords too."""
    words = [_python(), str(_from_here(PROJECT / "search" / "promote.py")), "--study", study]
    for flag, value in flags.items():
        words += [flag, without_password(str(value))] if value is not None else []
    return shlex.join(words)


def _python() -> str:
    return str(_from_here(Path(sys.executable)))


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
