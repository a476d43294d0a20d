"""The commands that follow a search, as one would type them where it was started."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from search.identity import StudyIdentity
from search.promotion_plan import PromotionPlan
from search.seeded_trainings import Entrant
from search.seeds import final_seed
from tracking.location import TrackingLocation
from tracking.passwords import without_password

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


def promotion_command(
    study: str, plan: PromotionPlan, flags: Mapping[str, str | Path | None]
) -> str:
    """Return what does a promotion again, with all that was left out when it was begun."""
    words = ["--top", plan.top, "--seeds", plan.seeds, "--final-seeds", plan.final_seeds]
    words += ["--max-epochs", plan.max_epochs, "--paper-epochs", plan.paper_epochs]
    chosen = {
        "--refit": plan.refit,
        "--allow-tie": plan.allow_tie,
        "--only-if-better": plan.only_if_better,
        "--again": True,
    }
    words += [flag for flag, given in chosen.items() if given]
    return f"{promote_command(study, flags)} {shlex.join(map(str, words))}"


def train_command(
    config: Path, entrant: Entrant, seeds: int, identity: StudyIdentity, data_dir: Path
) -> str:
    """Return what trains a configuration again on the seeds of a final, without Ray."""
    text = ["--text", identity.text.way]
    if identity.text.encoder is not None:
        text += ["--text-encoder", identity.text.encoder.name]
    words = [_python(), "-m", "dlf.train", "--config", str(_from_here(config))]
    words += ["--dataset", identity.dataset, "--data-dir", str(data_dir), *text]
    words += ["--seeds", str(seeds), "--first-seed", str(final_seed(0))]
    return shlex.join([*words, "--max-epochs", str(entrant.max_epochs)])


def resume_command(name: str, flag: str = "--study") -> str:
    """Return the command of this process again, so that it goes on with what a flag names."""
    words = [
        _python(),
        str(_from_here(Path(sys.argv[0]).absolute())),
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


def _python() -> str:
    return str(_from_here(Path(sys.executable)))


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
