"""The flags that say where a study and its tracking are, for every command that reads them."""

from pathlib import Path

from dlf.command import CommandParser


def add_output_flag(parser: CommandParser) -> None:
    """Add the folder of all studies."""
    parser.add_argument(
        "--output", type=Path, default=Path("runs"), help="the folder of all studies"
    )


def add_tracking_flag(parser: CommandParser) -> None:
    """Add the address of MLflow."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="of MLflow; left out: $MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )
