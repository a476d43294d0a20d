"""What a search is to do, settled from its flags, the machine and, on a resume, the study."""

from typing import NamedTuple

from optuna.distributions import check_distribution_compatibility

from dlf.command import BadInputError
from dlf.config import Config
from dlf.data import Manifest
from dlf.presets import preset
from dlf.text.source import TextSource
from dlf.training.request import DEFAULT_EPOCHS
from search.planning.request import DEFAULT_SEED, DEFAULT_TRIALS, SearchRequest
from search.planning.text import settle_text
from search.resources.allotment import Resources
from search.spaces.fixed_values import parse_fixed_values
from search.spaces.largest import largest_of
from search.spaces.space import DEFAULT_SPACE, Space
from search.study.budget import Budget
from search.study.combinations import default_scheduler, refuse_senseless
from search.study.identity import DEFAULT_REPLICATES, StudyIdentity
from search.study.open_study import OpenStudy, SearchSettings
from search.study.samplers import SAMPLERS
from search.study.schedulers import Stopping
from search.study.starting_points import read_configurations, refuse_incompatible

PAPER = "paper"


class SearchPlan(NamedTuple):
    """A search, before anything is trained."""

    identity: StudyIdentity
    settings: SearchSettings
    budget: Budget
    resources: Resources
    text_words: str
    """which way the text is taken, and why"""
    enqueued: list[Config]
    """configurations of the user's"""
    warm_start: OpenStudy | None
    """another study, whose trials this one begins with"""

    def largest(self) -> list[Config]:
        """Return configurations of which one takes as much memory as any trial will."""
        identity = self.identity
        return [largest_of(identity.space, identity.base), identity.paper, *self.enqueued]


def plan_search(
    request: SearchRequest,
    manifest: Manifest,
    resources: Resources,
    former: OpenStudy | None,
    warm_start: OpenStudy | None,
) -> SearchPlan:
    """Settle a search; on a resume, `former` is the study as it was left.

    Raises:
        BadInputError: when flags make no sense together, or with the study that is resumed.
    """
    known = None if former is None else former.identity.text
    text, words = settle_text(request, manifest, resources, known, "as in the study")
    identity = _identity(request, manifest, text, former)
    settings = _settings(request, former)
    identity.space.refuse_impossible(identity.base)
    refuse_senseless(
        settings.sampler,
        settings.stopping,
        scheduler_given=request.scheduler is not None,
        grace_given=request.grace_epochs is not None,
        reduction_given=request.reduction is not None,
        space=identity.space,
        paper=identity.paper,
        base=identity.base,
        max_epochs=identity.max_epochs,
    )
    if former is not None:
        _refuse_changes(identity, former, force=request.force_new_space)
    if warm_start is not None:
        refuse_incompatible(warm_start, identity)
    enqueued = [] if request.enqueue is None else read_configurations(request.enqueue, identity)
    budget = Budget(
        trials=settings.trials,
        seconds=request.time_budget,
        epochs=request.epoch_budget,
        target=request.target,
        patience=request.patience,
    )
    return SearchPlan(identity, settings, budget, resources, words, enqueued, warm_start)


def _identity(
    request: SearchRequest, manifest: Manifest, text: TextSource, former: OpenStudy | None
) -> StudyIdentity:
    paper = preset(PAPER, manifest.dataset)
    known = None if former is None else former.identity
    before = {} if known is None else known.fixed
    fixed = before | parse_fixed_values(request.fixed, paper.with_values(before))
    base = paper.with_values(fixed)
    if known is None or request.space is not None:
        space = Space.chosen(request.space or DEFAULT_SPACE, text.way)
    else:
        space = known.space
    if fixed.keys() & space.parameters.keys():
        space = space.without(fixed)
    return StudyIdentity(
        dataset=manifest.dataset,
        dataset_digest=manifest.digest,
        text=text,
        max_epochs=request.max_epochs or (known.max_epochs if known else DEFAULT_EPOCHS),
        replicates=request.replicates or (known.replicates if known else DEFAULT_REPLICATES),
        paper=paper,
        base=base,
        space=space,
    )


def _settings(request: SearchRequest, former: OpenStudy | None) -> SearchSettings:
    if former is None:
        sampler = request.sampler or SAMPLERS[0]
        stopping = Stopping(scheduler=default_scheduler(sampler))
        known = SearchSettings(
            trials=DEFAULT_TRIALS,
            seed=request.seed or DEFAULT_SEED,
            sampler=sampler,
            stopping=stopping,
        )
    else:
        known = former.settings
        if request.seed not in (None, known.seed):
            raise BadInputError(
                f"the study has the seed {known.seed}, on which those of all its trials rest; "
                "leave --seed out"
            )
    flags = {
        "scheduler": request.scheduler,
        "grace_epochs": request.grace_epochs,
        "reduction": request.reduction,
    }
    wanted = known.stopping.model_dump() | {k: v for k, v in flags.items() if v is not None}
    return SearchSettings(
        trials=request.trials or known.trials,
        seed=known.seed,
        sampler=request.sampler or known.sampler,
        stopping=Stopping.model_validate(wanted),
    )


def _refuse_changes(identity: StudyIdentity, former: OpenStudy, *, force: bool) -> None:
    name = former.study.study_name
    changes = identity.changes_from(former.identity)
    if changes:
        raise BadInputError(
            f"the study {name!r} cannot go on, for its trials could not be compared: "
            f"{'; '.join(changes)}; begin another --study, or leave these flags as they were"
        )
    changes = identity.space_changes_from(former.identity)
    if changes and not force:
        raise BadInputError(
            f"the space of the study {name!r} is another one: {'; '.join(changes)}; "
            "--force-new-space goes on with it all the same"
        )
    for parameter, now in identity.space.parameters.items():
        was = former.identity.space.parameters.get(parameter)
        if was is None:
            continue
        try:
            check_distribution_compatibility(was.distribution(), now.distribution())
        except ValueError as error:
            raise BadInputError(
                f"Optuna cannot change {parameter} from {was} to {now} within a study; begin "
                f"another one with --warm-start {name}"
            ) from error
