"""What the command line of a training outside a search asks for."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dlf.command import (
    MAX_SEED,
    BadInputError,
    CommandParser,
    add_json_flag,
    positive_int,
    seed_int,
)
from dlf.configuration_file import NAMED_CONFIGURATION
from dlf.data import DATASET_NAMES, dataset_name
from dlf.data.arguments import add_data_dir_flag
from dlf.text.arguments import add_text_flags
from dlf.text.source import TextWay

DEFAULT_EPOCHS = 30
DEVICES = ("auto", "cpu", "cuda")

Device = Literal["auto", "cpu", "cuda"]


class TrainRequest(BaseModel):
    """What the command line asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: str
    dataset: str
    data_dir: Path
    seeds: int
    first_seed: int
    max_epochs: int
    text: TextWay | None
    text_encoder: str | None
    device: Device
    output: Path
    json_only: bool

    @property
    def all_seeds(self) -> range:
        """The seeds, in order."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def model_folder(self, seed: int) -> Path:
        """Return where the model of a seed is kept."""
        return self.output / f"seed-{seed}"

    def refuse_taken(self) -> None:
        """Raise `BadInputError` when the output is a file, or has a model of one of the seeds."""
        if self.output.is_file():
            raise BadInputError(f"{self.output} is a file; --output takes a folder")
        for seed in self.all_seeds:
            folder = self.model_folder(seed)
            if folder.exists():
                raise BadInputError(f"{folder} is there already; choose another --output")


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m dlf.train", description="Train a configuration on some seeds."
    )
    add = parser.add_argument
    add("--config", required=True, metavar="FILE", help=NAMED_CONFIGURATION)
    add("--dataset", type=dataset_name, required=True, metavar="NAME", help=DATASET_NAMES)
    add_data_dir_flag(parser)
    add("--seeds", type=positive_int, default=1, metavar="S", help="how many are trained")
    add("--first-seed", type=seed_int, default=0, metavar="N", help="the others count up from it")
    add(
        "--max-epochs",
        type=positive_int,
        default=DEFAULT_EPOCHS,
        metavar="N",
        help="of every seed; the patience of the configuration may end it earlier",
    )
    add_text_flags(parser)
    add("--device", choices=DEVICES, default="auto", help="auto: a GPU, where there is one")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="the folder of the models; left out: trained/, with the dataset and the time",
    )
    add_json_flag(parser)
    return parser


def read_request() -> TrainRequest:
    """Read the command line."""
    args = argument_parser().parse_args()
    if args.first_seed + args.seeds - 1 > MAX_SEED:
        raise BadInputError(f"--first-seed {args.first_seed} leaves no room for {args.seeds} seeds")
    args.output = args.output or Path("trained") / f"{args.dataset}-{datetime.now():%Y%m%d-%H%M%S}"
    return TrainRequest.model_validate(vars(args))
