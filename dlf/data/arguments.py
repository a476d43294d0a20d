"""The flag that says where datasets lie, for every command that opens one."""

from pathlib import Path

from dlf.command import CommandParser


def add_data_dir_flag(parser: CommandParser) -> None:
    """Add the folder of all datasets."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="the folder of all datasets",
    )
