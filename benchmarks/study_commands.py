"""The commands that make a study and a promotion of it again, with all that is not the default."""

import shlex
from collections.abc import Mapping

from dlf.training.request import DEFAULT_EPOCHS
from search.planning.request import DEFAULT_SEED
from search.promotion.finalists import PAPER_EPOCHS
from search.promotion.plan import PromotionPlan
from search.spaces.parameters import shown
from search.spaces.space import DEFAULT_SPACE, SHIPPED, Space
from search.study.combinations import default_scheduler
from search.study.identity import DEFAULT_REPLICATES, StudyIdentity
from search.study.open_study import OpenStudy
from search.study.samplers import SAMPLERS
from search.study.schedulers import Stopping

OWN_SPACE = "FILE"
"""in place of a user's own space, of which a study does not know the file"""


def search_command(opened: OpenStudy) -> str:
    """Return the command of a search, as far as its study remembers it."""
    identity, settings = opened.identity, opened.settings
    encoder, rule = identity.text.encoder, settings.stopping
    left_out = Stopping(scheduler=default_scheduler(settings.sampler))
    words = ["python", "search/run.py", "--dataset", identity.dataset, "--text", identity.text.way]
    words += [] if encoder is None else ["--text-encoder", encoder.name]
    words += ["--trials", str(settings.trials)]
    words += _differing(
        {
            "--max-epochs": (identity.max_epochs, DEFAULT_EPOCHS),
            "--seed": (settings.seed, DEFAULT_SEED),
            "--sampler": (settings.sampler, SAMPLERS[0]),
            "--scheduler": (rule.scheduler, left_out.scheduler),
            "--grace-epochs": (rule.grace_epochs, left_out.grace_epochs),
            "--reduction": (rule.reduction, left_out.reduction),
            "--replicates": (identity.replicates, DEFAULT_REPLICATES),
        }
    )
    return shlex.join([*words, *_space_words(identity), "--study", opened.study.study_name])


def promotion_command(study: str, plan: PromotionPlan, max_epochs: int) -> str:
    """Return the command of a promotion of a study whose trials had so many epochs at most."""
    words = ["python", "search/promote.py", "--study", study, "--top", str(plan.top)]
    words += ["--seeds", str(plan.seeds), "--final-seeds", str(plan.final_seeds)]
    words += _differing(
        {
            "--max-epochs": (plan.max_epochs, max_epochs),
            "--paper-epochs": (plan.paper_epochs, PAPER_EPOCHS),
        }
    )
    chosen = {
        "--refit": plan.refit,
        "--allow-tie": plan.allow_tie,
        "--only-if-better": plan.only_if_better,
        "--again": plan.again,
    }
    return shlex.join([*words, *(flag for flag, given in chosen.items() if given)])


def _differing(flags: Mapping[str, tuple[object, object]]) -> list[str]:
    """Return the flags whose values, the first of each pair, are not what is left out."""
    words = []
    for flag, (value, left_out) in flags.items():
        words += [flag, str(value)] if value != left_out else []
    return words


def _space_words(identity: StudyIdentity) -> list[str]:
    """Return the space and the fixed values, also those that are fixed as the paper has them."""
    searched = dict(identity.space.parameters)
    words, fixed = ["--space", OWN_SPACE], set(identity.fixed)
    for name in SHIPPED:
        whole = Space.of_text(identity.text.way, name).parameters
        missing = whole.keys() - searched.keys()
        if searched == {key: whole[key] for key in whole if key not in missing}:
            words, fixed = [] if name == DEFAULT_SPACE else ["--space", name], fixed | missing
            break
    for name, value in identity.base.values().items():
        words += ["--set", f"{name}={shown(value)}"] if name in fixed and value is not None else []
    return words
