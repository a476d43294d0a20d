"""The commands that follow a search, as one would type them where it was started."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from search.promotion_plan import PromotionPlan
from tracking.location import TrackingLocation, without_password

PROJECT = Path(__file__).absolute().parents[1]


def look_command(location: TrackingLocation) -> str:
    """Return what opens the MLflow UI on the search."""
    if location.database_file is None:
        return f"open {location.shown}"
    if location.database_file == PROJECT / "mlflow.db" and Path.cwd() == PROJECT:
        return "make ui"
    return shlex.join([_python(), "-m", "mlflow", "ui", "--backend-store-uri", location.uri])


def promote_command(study: str, flags: Mapping[str, str | Path | None]) -> str:
    """Return what promotes the best trial; flags that are none are left out, passwords too."""
    words = [_python(), str(_from_here(PROJECT / "search" / "promote.py")), "--study", study]
    for flag, value in flags.items():
        words += [flag, without_password(str(value))] if value is not None else []
    return shlex.join(words)


def promotion_commands(
    study: str, plan: PromotionPlan, flags: Mapping[str, str | Path | None]
) -> dict[str, str]:
    """Return what reproduces a promotion, by what it does."""
    words = [f"--top {plan.top}", f"--seeds {plan.seeds}", f"--final-seeds {plan.final_seeds}"]
    words += [f"--max-epochs {plan.max_epochs}", f"--paper-epochs {plan.paper_epochs}"]
    chosen = {"--refit": plan.refit, "--allow-tie": plan.allow_tie, "--again": True}
    words += [flag for flag, given in chosen.items() if given]
    return {"the whole promotion": " ".join([promote_command(study, flags), *words])}


def resume_command(study: str) -> str:
    """Return the command of this process again, so that it goes on with the study."""
    words = [
        _python(),
        str(_from_here(Path(sys.argv[0]).absolute())),
        *_other_words(sys.argv[1:]),
    ]
    return shlex.join([*map(without_password, words), "--study", study, "--resume"])


def _other_words(words: list[str]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if not skip and word not in ("--study", "--resume") and not word.startswith("--study="):
            kept.append(word)
        skip = word == "--study"
    return kept


def _python() -> str:
    return str(_from_here(Path(sys.executable)))


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
