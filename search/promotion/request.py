"""What the command line of a promotion asks for, and the plan that it makes of a study."""

from uuid import uuid4

from pydantic import ValidationError

from dlf.command import BadInputError, CommandParser, positive_int
from dlf.config import Config
from dlf.data.arguments import add_data_dir_flag
from dlf.trained_model import ModelCard
from search.arguments import SharedRequest, add_shared_flags
from search.promotion.finalists import PAPER_EPOCHS, choose_finalists
from search.promotion.plan import PromotionFolder, PromotionPlan, RegisteredBefore, now
from search.seeded.seed_flags import several_seeds
from search.study.identity import StudyIdentity
from search.study.open_study import OpenStudy, StudyPlace
from search.study.readings import readings_of
from tracking.registry.champion import champion_of
from tracking.store.location import TrackingLocation

DEFAULT_TOP = DEFAULT_SEEDS = DEFAULT_FINAL_SEEDS = 5
PLANNED = ("top", "seeds", "final_seeds", "max_epochs", "paper_epochs")
"""flags that a promotion cannot change once it was begun"""


class PromotionRequest(SharedRequest):
    """The flags; what is none was left out."""

    study: str
    top: int | None
    seeds: int | None
    final_seeds: int | None
    max_epochs: int | None
    paper_epochs: int | None
    refit: bool
    allow_tie: bool
    only_if_better: bool
    again: bool
    resume: bool


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="search/promote.py", description="Promote the best configuration of a study."
    )
    add = parser.add_argument
    add("--study", required=True, metavar="NAME", help="as its search has printed it")
    add_data_dir_flag(parser)
    add(
        "--top",
        type=positive_int,
        metavar="K",
        help=f"trials that race with the paper's configuration; left out: {DEFAULT_TOP}",
    )
    add(
        "--seeds",
        type=several_seeds,
        metavar="S",
        help=f"fresh seeds of each of them, at most; left out: {DEFAULT_SEEDS}",
    )
    add(
        "--final-seeds",
        type=several_seeds,
        metavar="S",
        help=f"further seeds of the winner and the paper's; left out: {DEFAULT_FINAL_SEEDS}",
    )
    add("--max-epochs", type=positive_int, metavar="N", help="left out: those of the search")
    add(
        "--paper-epochs",
        type=positive_int,
        metavar="N",
        help="of the paper's configuration, which ends by its own patience; left out: "
        f"{PAPER_EPOCHS}",
    )
    add("--refit", action="store_true", help="train finally on train and valid together")
    add("--allow-tie", action="store_true", help="keep a winner that is not clearly better")
    add(
        "--only-if-better",
        action="store_true",
        help="register nothing that does not clearly beat the registered champion",
    )
    add("--again", action="store_true", help="read the test split again, which is told for ever")
    add("--resume", action="store_true", help="go on with the last promotion of the study")
    add_shared_flags(parser)
    return parser


def read_request() -> PromotionRequest:
    """Read the command line."""
    request = PromotionRequest.model_validate(vars(argument_parser().parse_args()))
    if request.refit and request.only_if_better:
        raise BadInputError(
            "--only-if-better compares on the validation split, which --refit trains on: leave one "
            "of the two out"
        )
    return request


def plan_promotion(
    request: PromotionRequest, place: StudyPlace, opened: OpenStudy, location: TrackingLocation
) -> tuple[PromotionPlan, PromotionFolder | None]:
    """Plan a promotion that begins, or return the plan and the folder of one that goes on.

    Raises:
        BadInputError: when there is none to go on with, or it was begun otherwise; when the test
            split was read before and the user has not said that it is to be read again; when the
            registered champion cannot be compared with.
    """
    if request.resume:
        former = PromotionFolder.unfinished(place.folder)
        if former is None:
            raise BadInputError(
                f"the study {place.name!r} has no promotion that was broken off; leave --resume out"
            )
        plan = former.plan()
        _refuse_changes(request, plan)
        _refuse_second_reading(request, opened, former.name, planned=plan.again)
        return plan, former
    _refuse_second_reading(request, opened, "", planned=False)
    identity = opened.identity
    max_epochs = request.max_epochs or identity.max_epochs
    paper_epochs = request.paper_epochs or PAPER_EPOCHS
    top = request.top or DEFAULT_TOP
    finalists = choose_finalists(
        opened.study, identity, top, max_epochs=max_epochs, paper_epochs=paper_epochs
    )
    champion = _champion(location, identity) if request.only_if_better else None
    plan = PromotionPlan(
        key=uuid4().hex,
        begun=now(),
        top=top,
        seeds=request.seeds or DEFAULT_SEEDS,
        final_seeds=request.final_seeds or DEFAULT_FINAL_SEEDS,
        max_epochs=max_epochs,
        paper_epochs=paper_epochs,
        refit=request.refit,
        allow_tie=request.allow_tie,
        only_if_better=request.only_if_better,
        again=request.again,
        finalists=tuple(finalists),
        champion=champion,
    )
    return plan, None


def _refuse_second_reading(
    request: PromotionRequest, opened: OpenStudy, name: str, *, planned: bool
) -> None:
    others = [each for each in readings_of(opened.study) if each.promotion != name]
    if others and not request.again and not planned:
        raise BadInputError(
            f"the promotion {others[-1].promotion} read the test split at "
            f"{others[-1].at:%Y-%m-%d %H:%M}; what is chosen after that is not blind to it any "
            "more: --again reads it once more, and the report says so for ever"
        )


def _refuse_changes(request: PromotionRequest, plan: PromotionPlan) -> None:
    flags = [*PLANNED, "refit", "allow_tie", "only_if_better"]
    for flag in flags:
        given, planned = getattr(request, flag), getattr(plan, flag)
        if given not in (None, False, planned):
            raise BadInputError(
                f"this promotion was begun with {flag.replace('_', ' ')} {planned}; leave "
                f"--{flag.replace('_', '-')} out, or leave --resume out to begin another one"
            )


def _champion(location: TrackingLocation, identity: StudyIdentity) -> RegisteredBefore | None:
    """Return the registered champion, if there is one, as something that can be trained."""
    found = champion_of(location, identity.dataset)
    if found is None:
        return None
    try:
        card = ModelCard.model_validate_json(found.card_json)
    except ValidationError as error:
        raise BadInputError(
            f"version {found.version} of {found.model}, the champion, is of another version of "
            "this code and cannot be compared with: leave --only-if-better out"
        ) from error
    same = card.dataset_digest == identity.dataset_digest and card.text == identity.text
    if not same:
        raise BadInputError(
            f"version {found.version} of {found.model}, the champion, was trained on other data or "
            "another kind of text than this study, so that the two cannot be compared: leave "
            "--only-if-better out"
        )
    return RegisteredBefore(
        version=found.version,
        config=Config.from_yaml(found.config_yaml),
        max_epochs=found.max_epochs,
    )
