"""The commands that follow a search, as one would type them where it was started."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from search.trial.code_version import PROJECT
from tracking.passwords import without_password
from tracking.store.location import DATABASE_FILE, TrackingLocation


def look_command(location: TrackingLocation) -> str:
    """Return what opens the MLflow UI on the search."""
    if location.database_file is None:
        return f"open {location.shown}"
    if location.database_file == PROJECT / DATABASE_FILE and Path.cwd() == PROJECT:
        return "make ui"
    # MLflow's own program reports its use, unless it is told not to.
    quiet = "MLFLOW_DISABLE_TELEMETRY=true"
    ui = [this_python(), "-m", "mlflow", "ui", "--backend-store-uri", location.uri]
    return f"{quiet} {shlex.join(ui)}"


def promote_command(study: str, flags: Mapping[str, str | Path | None]) -> str:
    """Return what promotes the best trial; flags that are none are left out, passwords too."""
    words = [this_python(), str(from_here(PROJECT / "search" / "promote.py")), "--study", study]
    for flag, value in flags.items():
        words += [flag, without_password(str(value))] if value is not None else []
    return shlex.join(words)


def resume_command(name: str, flag: str = "--study") -> str:
    """Return the command of this process again, so that it goes on with what a flag names."""
    words = [
        this_python(),
        str(from_here(Path(sys.argv[0]).absolute())),
        *_other_words(sys.argv[1:], flag),
    ]
    return shlex.join([*map(without_password, words), flag, name, "--resume"])


def _other_words(words: list[str], flag: str) -> list[str]:
    kept, skip = [], False
    for word in words:
        if not skip and word not in (flag, "--resume") and not word.startswith(f"{flag}="):
            kept.append(word)
        skip = word == flag
    return kept


def this_python() -> str:
    """Return the interpreter of this process, as one would type it here."""
    return str(from_here(Path(sys.executable)))


def from_here(path: Path) -> Path:
    """Return a path as one would type it in the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
