"""What the command line of a search asks for."""

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from dlf.command import BadInputError, CommandParser, count_int, positive_int, seed_int
from dlf.data import DATASET_NAMES
from dlf.metrics import OBJECTIVE
from dlf.text.arguments import add_text_flags
from dlf.text.source import TextWay
from dlf.training.request import DEFAULT_EPOCHS
from search.arguments import SharedRequest, add_dataset_flags, add_shared_flags
from search.spaces.space import DEFAULT_SPACE, SHIPPED
from search.study.budget import duration, target
from search.study.combinations import default_scheduler
from search.study.identity import DEFAULT_REPLICATES
from search.study.samplers import SAMPLERS, SamplerName
from search.study.schedulers import SCHEDULERS, SchedulerName, Stopping

DEFAULT_TRIALS = 20
DEFAULT_SEED = 0
DEFAULT_MODELS = 5


class SearchRequest(SharedRequest):
    """The flags; what is none was left out, and a resumed study then has its own value."""

    dataset: str | None
    study: str
    resume: bool
    force_new_space: bool
    seed: int | None

    trials: int | None
    time_budget: float | None
    epoch_budget: int | None
    target: float | None
    patience: int | None
    max_epochs: int | None
    trial_timeout: float | None

    space: str | None
    fixed: list[str]
    sampler: SamplerName | None
    scheduler: SchedulerName | None
    grace_epochs: int | None
    reduction: int | None
    replicates: int | None
    allow_duplicates: bool
    warm_start: str | None
    enqueue: Path | None

    text: TextWay | None
    text_encoder: str | None

    tracking_offline: bool
    keep_models: int


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="search/run.py",
        description="Search for the best DLF configuration on a dataset.",
        epilog="What a flag leaves open a resumed study takes from what it remembers.",
    )
    add = parser.add_argument
    add_dataset_flags(parser)
    add("--study", metavar="NAME", help="left out: the dataset and the time")
    add("--resume", action="store_true", help="go on with a study, or extend it")
    add(
        "--force-new-space",
        action="store_true",
        help="with --resume: go on although the space is another one",
    )
    add("--seed", type=seed_int, metavar="N", help=f"of the whole search; left out: {DEFAULT_SEED}")
    _add_budgets(add)
    _add_search(add)
    add_text_flags(parser)
    add(
        "--tracking-offline",
        action="store_true",
        help="begin although MLflow does not answer; it is told later",
    )
    add(
        "--keep-models",
        type=count_int,
        default=DEFAULT_MODELS,
        metavar="N",
        help="keep the models of the best N trials",
    )
    add_shared_flags(parser)
    return parser


def read_request() -> SearchRequest:
    """Read the command line."""
    args = argument_parser().parse_args()
    _refuse_contradictions(args)
    args.study = args.study or f"{args.dataset}-{datetime.now():%Y%m%d-%H%M%S}"
    return SearchRequest.model_validate(vars(args))


def _add_budgets(add: Callable[..., argparse.Action]) -> None:
    add("--trials", type=positive_int, metavar="N", help=f"in all; left out: {DEFAULT_TRIALS}")
    add("--time-budget", type=_duration, metavar="T", help="such as 2h or 90m, of this run")
    add("--epoch-budget", type=positive_int, metavar="N", help="epochs of all trials together")
    add("--target", type=target, metavar=f"{OBJECTIVE}=X", help="end when a trial has reached it")
    add(
        "--patience",
        type=positive_int,
        metavar="N",
        help="end when N trials in a row are no better",
    )
    add(
        "--max-epochs",
        type=positive_int,
        metavar="N",
        help=f"of every trial; left out: {DEFAULT_EPOCHS}",
    )
    add(
        "--trial-timeout",
        type=_duration,
        default="6h",
        metavar="T",
        help="end a trial that takes longer than this for an epoch",
    )


def _add_search(add: Callable[..., argparse.Action]) -> None:
    shipped = ", ".join(SHIPPED)
    add("--space", metavar="FILE", help=f"{shipped}, or a YAML file; left out: {DEFAULT_SPACE}")
    add(
        "--set",
        dest="fixed",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="fix a value of the configuration; may be given again and again",
    )
    rule = Stopping()
    add("--sampler", choices=SAMPLERS, help=f"left out: {SAMPLERS[0]}")
    add(
        "--scheduler",
        choices=SCHEDULERS,
        help=f"what stops trials early; left out: {SCHEDULERS[0]}, or with --sampler gp "
        f"{default_scheduler('gp')}",
    )
    add(
        "--grace-epochs",
        type=positive_int,
        metavar="N",
        help=f"before a trial may be stopped; left out: {rule.grace_epochs}",
    )
    add(
        "--reduction",
        type=positive_int,
        metavar="N",
        help=f"keep the best one in N at each rung; left out: {rule.reduction}",
    )
    add(
        "--replicates",
        type=positive_int,
        metavar="S",
        help=f"train each trial on S seeds, and take their mean; left out: {DEFAULT_REPLICATES}",
    )
    add(
        "--allow-duplicates", action="store_true", help="train a configuration again if drawn again"
    )
    add("--warm-start", metavar="STUDY", help="begin with the finished trials of another study")
    add("--enqueue", type=Path, metavar="FILE", help="try these configurations first")


def _refuse_contradictions(args: argparse.Namespace) -> None:
    if args.resume and args.study is None:
        raise BadInputError("--resume goes on with a study: name it with --study")
    if not args.resume and args.dataset is None:
        raise BadInputError(f"--dataset is missing; it takes {DATASET_NAMES}")
    if args.force_new_space and not args.resume:
        raise BadInputError("--force-new-space changes a study's space, and goes with --resume")
    if args.warm_start is not None and args.warm_start == args.study:
        raise BadInputError("a study cannot warm-start itself; --resume goes on with it")


def _duration(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
