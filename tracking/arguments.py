"""The flags that say where a study and its tracking are, for every command that reads them."""

from dlf.command import CommandParser
from tracking.remote.output import HERE, Output
from tracking.store.location import DATABASE_FILE, URI_VARIABLE


def add_output_flag(parser: CommandParser) -> None:
    """Add the place of all studies."""
    parser.add_argument(
        "--output",
        type=Output.at,
        default=str(HERE),
        metavar="DIR",
        help="the folder of all studies, or an address such as s3://bucket/folder",
    )


def add_tracking_flag(parser: CommandParser) -> None:
    """Add the address of MLflow."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help=f"of MLflow; left out: ${URI_VARIABLE}, else {DATABASE_FILE} in this folder",
    )
