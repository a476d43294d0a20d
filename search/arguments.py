"""The flags that all commands have in common which train on Ray, and how they are read."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dlf.command import BadInputError, CommandParser, add_json_flag, positive_int
from dlf.data.arguments import add_data_dir_flag
from dlf.data.names import DATASET_NAMES, dataset_name
from tracking.arguments import add_output_flag, add_tracking_flag
from tracking.remote.output import Output

STORAGE_VARIABLE = "DLF_STORAGE"

AUTO: Literal["auto"] = "auto"
GpusPerTrial = float | Literal["auto"] | None


class TrainingRequest(BaseModel):
    """What the flags say of everything that trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracking_uri: str | None
    output: Output
    cpus_per_trial: float
    gpus_per_trial: GpusPerTrial
    max_concurrent: int | None
    json_only: bool
    dry_run: bool
    ray_address: str | None


class SharedRequest(TrainingRequest):
    """What the flags say that the search and its promotion have in common."""

    storage: str | None
    data_dir: Path

    @property
    def places(self) -> Mapping[str, str | Path | None]:
        """Where things lie, flag by flag, for commands that are shown."""
        return {
            "--data-dir": self.data_dir,
            "--output": str(self.output),
            "--storage": storage_to_give(self.storage),
            "--tracking-uri": self.tracking_uri,
        }


def add_shared_flags(parser: CommandParser) -> None:
    """Add the flags of everything that trains, and the one that says where a study lies."""
    _add_storage_flag(parser)
    add_training_flags(parser)


def add_training_flags(parser: CommandParser) -> None:
    """Add the flags that say where things lie, what a trial gets, and how to print."""
    add = parser.add_argument
    add_tracking_flag(parser)
    add_output_flag(parser)
    add(
        "--cpus-per-trial",
        type=_cpus,
        default=1.0,
        metavar="X",
        help="of a core; may be a fraction",
    )
    add(
        "--gpus-per-trial",
        type=_gpus,
        metavar="X",
        help="may be a fraction; auto: as much as the largest configuration takes; left out: a "
        "quarter, where there is a GPU",
    )
    add(
        "--ray-address",
        metavar="ADDR",
        help="HOST:PORT of a Ray cluster's head; left out: $RAY_ADDRESS, else this machine alone",
    )
    add("--max-concurrent", type=positive_int, metavar="N", help="left out: as many as fit")
    add_json_flag(parser)
    add("--dry-run", action="store_true", help="say what would be done, and train nothing")


def add_dataset_flags(parser: CommandParser) -> None:
    """Add the dataset, which work that goes on knows by itself, and the folder of all datasets."""
    parser.add_argument(
        "--dataset",
        type=dataset_name,
        metavar="NAME",
        help=f"{DATASET_NAMES}; may be left out with --resume",
    )
    add_data_dir_flag(parser)


def add_study_flags(parser: CommandParser) -> None:
    """Add the flags that find a study that exists."""
    parser.add_argument(
        "--study", required=True, metavar="NAME", help="as its search has printed it"
    )
    add_output_flag(parser)
    _add_storage_flag(parser)


def _add_storage_flag(parser: CommandParser) -> None:
    given = os.environ.get(STORAGE_VARIABLE)
    # Beside the flag, since --help prints the default of a flag, and with it a password.
    parser.set_defaults(storage=_storage(given) if given else None)
    parser.add_argument(
        "--storage",
        type=_storage,
        default=argparse.SUPPRESS,
        metavar="URL",
        help=f"of the study; left out: ${STORAGE_VARIABLE}, else a journal in its folder",
    )


def storage_to_give(storage: str | None) -> str | None:
    """Return what --storage must be in a command that is shown; none where it may be left out."""
    return None if storage == os.environ.get(STORAGE_VARIABLE) else storage


def _storage(url: str) -> str:
    """Refuse an address that is cut within its password, which errors would show the rest of."""
    user, _, host = url.partition("://")[2].partition("?")[0].partition("@")
    cut = "@" in host or any(letter.isspace() for letter in user) or (host and "/" in user)
    if not user.startswith("/") and cut:
        raise BadInputError(
            "the --storage has a space, a slash or a second @ in its user or password, which are "
            "written %20, %2F and %40"
        )
    return url


def _cpus(text: str) -> float:
    value = _number(text)
    if not 0.01 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of CPUs, at least 0.01")
    return value


def _gpus(text: str) -> GpusPerTrial:
    if text == AUTO:
        return AUTO
    value = _number(text)
    if not (value == 0 or 0.01 <= value <= 1 or (value > 1 and value.is_integer())):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of GPUs: 0, a fraction from 0.01, whole ones, or {AUTO}"
        )
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
