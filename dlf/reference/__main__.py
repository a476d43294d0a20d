"""Hold our model against the released implementation's numbers, or take over its checkpoints.

python -m dlf.reference check reference.npz
python -m dlf.reference import dlf.pth --heads 10 --output model --dataset mosi
"""

import json
import math
import sys
from pathlib import Path

from dlf.command import (
    EXIT_DONE,
    EXIT_FAILED,
    CommandParser,
    positive_int,
    run_command,
)
from dlf.reference.checkpoint import TEXT_ENCODER_FILE, import_checkpoint
from dlf.reference.comparison import BOUND, check

SHOWN = 3
"""errors that are named when a check fails"""


def main() -> int:
    """Run the command that the command line asks for; raise `BadInputError` on bad input."""
    arguments = argument_parser().parse_args()
    if arguments.command == "check":
        return _check(arguments.file)
    trained, with_encoder = import_checkpoint(
        arguments.checkpoint,
        heads=arguments.heads,
        dataset=arguments.dataset,
        folder=arguments.output,
    )
    count = sum(parameter.numel() for parameter in trained.model.parameters())
    print(f"{count} parameters of a model of width {trained.config.model.width}")
    if with_encoder:
        print(f"its text encoder is in {arguments.output / TEXT_ENCODER_FILE}")
    else:
        print("the checkpoint has no text encoder, so its own must be used to make the features")
    print(f"written to {arguments.output}")
    return EXIT_DONE


def _check(path: Path) -> int:
    """Print the largest errors as JSON, null where one is infinite or not a number."""
    errors = check(path)
    beyond = errors.beyond(BOUND)
    names = ("max_output_error", "max_loss_error", "max_grad_norm_error")
    worst = {
        name: error if math.isfinite(error) else None
        for name, error in zip(names, errors.worst(), strict=True)
    }
    print(json.dumps({**worst, "ok": not beyond}, allow_nan=False))
    if not beyond:
        return EXIT_DONE
    shown = [f"{name} by {error:.1e}" for name, error in list(beyond.items())[:SHOWN]]
    more = f" and {len(beyond) - SHOWN} more" if len(beyond) > SHOWN else ""
    print(f"off by more than {BOUND:g}: {', '.join(shown)}{more}", file=sys.stderr)
    return EXIT_FAILED


def argument_parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        prog="python -m dlf.reference", description="The released implementation and ours."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    checking = commands.add_parser(
        "check",
        help="compare with its numbers",
        description="Compare outputs, losses and gradients with those in a golden file.",
    )
    checking.add_argument("file", type=Path, metavar="FILE", help="an npz file")
    importing = commands.add_parser(
        "import",
        help="take over a checkpoint",
        description="Write a checkpoint of the released code as a model folder of ours.",
    )
    importing.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a pth file")
    importing.add_argument(
        "--heads",
        type=positive_int,
        required=True,
        metavar="N",
        help="attention heads, which a checkpoint does not tell; 10 as published",
    )
    importing.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="the folder to write"
    )
    importing.add_argument(
        "--dataset", choices=("mosi", "mosei"), default="mosi", help="what it was trained on"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
