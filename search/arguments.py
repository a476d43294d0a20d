"""The flags that the search and its promotion have in common, and how they are read."""

import argparse
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dlf.command import CommandParser, positive_int


class SharedRequest(BaseModel):
    """What the shared flags say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    storage: str | None
    tracking_uri: str | None
    output: Path
    cpus_per_trial: float
    gpus_per_trial: float | None
    max_concurrent: int | None
    json_only: bool
    dry_run: bool


def add_shared_flags(parser: CommandParser) -> None:
    """Add the flags that say where things lie, what a trial gets, and how to print."""
    add = parser.add_argument
    add("--storage", metavar="URL", help="of the study; left out: a journal in its folder")
    add(
        "--tracking-uri",
        metavar="URI",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="of MLflow; left out: $MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )
    add("--output", type=Path, default=Path("runs"), help="the folder of all studies")
    add("--cpus-per-trial", type=_above_zero, default=1.0, metavar="X", help="may be a fraction")
    add(
        "--gpus-per-trial",
        type=_at_least_zero,
        metavar="X",
        help="may be a fraction; left out: a quarter, where there is a GPU",
    )
    add("--max-concurrent", type=positive_int, metavar="N", help="left out: as many as fit")
    add(
        "--json",
        dest="json_only",
        action="store_true",
        help="print one JSON object at the end, and nothing else",
    )
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _above_zero(text: str) -> float:
    value = _at_least_zero(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _at_least_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value
