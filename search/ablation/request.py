"""What the command line of an ablation asks for, and the plan that it makes."""

from datetime import datetime
from pathlib import Path
from uuid import uuid4

from dlf.command import BadInputError, CommandParser, positive_int
from dlf.config import Config
from dlf.configuration_file import NAMED_CONFIGURATION, read_configuration
from dlf.data import DATASET_NAMES, Manifest
from dlf.text.arguments import add_text_flags
from dlf.text.source import TextWay
from dlf.training.request import DEFAULT_EPOCHS
from search.ablation.ablation import AblationPlan
from search.arguments import TrainingRequest, add_dataset_flags, add_training_flags
from search.planning.text import settle_text
from search.resources.allotment import Resources
from search.seeded.seed_flags import several_seeds

DEFAULT_SEEDS = 3


class AblationRequest(TrainingRequest):
    """The flags; what is none was left out, and a resumed ablation then has its own value."""

    dataset: str | None
    data_dir: Path
    config: str | None
    seeds: int | None
    max_epochs: int | None
    text: TextWay | None
    text_encoder: str | None
    name: str
    resume: bool


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="search/ablate.py",
        description="Train the rows of the paper's Table 2 over one configuration.",
        epilog="What a flag leaves open a resumed ablation takes from what it was begun with.",
    )
    add = parser.add_argument
    add_dataset_flags(parser)
    add(
        "--config",
        metavar="FILE",
        help=f"the full model: {NAMED_CONFIGURATION}; may be left out with --resume",
    )
    add(
        "--seeds",
        type=several_seeds,
        metavar="S",
        help=f"on which every row is trained; left out: {DEFAULT_SEEDS}",
    )
    add(
        "--max-epochs",
        type=positive_int,
        metavar="N",
        help="of every training; the patience of the configuration may end it earlier; left out: "
        f"{DEFAULT_EPOCHS}",
    )
    add_text_flags(parser)
    add("--name", metavar="NAME", help="left out: ablation, with the dataset and the time")
    add("--resume", action="store_true", help="go on with the ablation of this --name")
    add_training_flags(parser)
    return parser


def read_request() -> AblationRequest:
    """Read the command line."""
    args = argument_parser().parse_args()
    if args.resume and args.name is None:
        raise BadInputError("--resume goes on with an ablation: name it with --name")
    if not args.resume and (args.dataset is None or args.config is None):
        missing = "--dataset" if args.dataset is None else "--config"
        there = DATASET_NAMES if args.dataset is None else NAMED_CONFIGURATION
        raise BadInputError(f"{missing} is missing; it takes {there}")
    args.name = args.name or f"ablation-{args.dataset}-{datetime.now():%Y%m%d-%H%M%S}"
    return AblationRequest.model_validate(vars(args))


def dataset_of(request: AblationRequest, former: AblationPlan | None) -> str:
    """Return the dataset, which an ablation that is resumed knows by itself."""
    if former is None:
        assert request.dataset is not None
        return request.dataset
    if request.dataset not in (None, former.dataset):
        raise BadInputError(
            f"this ablation is of {former.dataset}, not of {request.dataset}; leave --dataset out, "
            "or begin another one"
        )
    return former.dataset


def config_of(request: AblationRequest, former: AblationPlan | None) -> Config:
    """Return the full model's configuration.

    Raises:
        BadInputError: when the one that is named cannot be read.
    """
    if request.config is not None:
        return read_configuration(request.config, dataset_of(request, former))
    assert former is not None
    return former.config


def plan_ablation(
    request: AblationRequest,
    manifest: Manifest,
    config: Config,
    resources: Resources,
    former: AblationPlan | None,
) -> tuple[AblationPlan, str]:
    """Return the plan of an ablation that begins or goes on, and how it takes its text.

    Raises:
        BadInputError: when one that goes on was begun otherwise, or its data has changed.
    """
    known = None if former is None else former.text
    text, words = settle_text(request, manifest, resources, known, "as it was begun")
    if former is None:
        plan = AblationPlan(
            key=uuid4().hex,
            begun=datetime.now().astimezone(),
            dataset=manifest.dataset,
            dataset_digest=manifest.digest,
            text=text,
            config_name=str(request.config),
            config=config,
            seeds=request.seeds or DEFAULT_SEEDS,
            max_epochs=request.max_epochs or DEFAULT_EPOCHS,
        )
        return plan, words
    asked = {
        "dataset_digest": manifest.digest,
        "text": text,
        "config": config,
        "seeds": request.seeds or former.seeds,
        "max_epochs": request.max_epochs or former.max_epochs,
    }
    changes = former.model_copy(update=asked).changes_from(former)
    if changes:
        raise BadInputError(
            f"the ablation {request.name!r} cannot go on, for its rows could not be compared: "
            f"{'; '.join(changes)}; leave these flags out, or begin another one"
        )
    return former, words
