"""The flags that say where text features come from, for every command that trains."""

from dlf.command import CommandParser
from dlf.text.source import TEXT_WAYS


def add_text_flags(parser: CommandParser) -> None:
    """Add the way that text is taken, and its encoder."""
    parser.add_argument(
        "--text",
        choices=TEXT_WAYS,
        help="features of the file, of a frozen encoder, or of one that learns along; left out: "
        "the strongest that the machine allows",
    )
    parser.add_argument(
        "--text-encoder",
        metavar="NAME",
        help="minilm, a name on the Hugging Face hub, or a folder; left out: the one at hand",
    )
