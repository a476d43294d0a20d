"""The commands that follow a promotion, as one would type them where it was started."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from search.planning.next_steps import from_here, promote_command, this_python
from search.promotion.plan import PromotionPlan
from search.seeded.seeded_trainings import Entrant
from search.study.identity import StudyIdentity
from search.trial.seeds import final_seed


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
    words = [this_python(), "-m", "dlf.train", "--config", str(from_here(config))]
    words += ["--dataset", identity.dataset, "--data-dir", str(data_dir), *text]
    words += ["--seeds", str(seeds), "--first-seed", str(final_seed(0))]
    return shlex.join([*words, "--max-epochs", str(entrant.max_epochs)])
