"""What all our command lines share: one sentence for bad input, and the exit codes."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

EXIT_DONE = 0
"""the work is done"""
EXIT_FAILED = 1
"""the work failed; standard error says how, in a sentence"""
EXIT_BAD_INPUT = 2
"""a flag, a file or a study is of no use; standard error says why, in a sentence"""
EXIT_INTERRUPTED = 130
"""Ctrl-C or SIGTERM; a search prints the command that resumes it"""

MAX_SEED = 2**32 - 1


class BadInputError(Exception):
    """Something given is of no use; the message is one sentence that says what to do."""


class WorkFailedError(Exception):
    """The input was right and the work still failed; the message is one sentence saying how."""


class CommandParser(argparse.ArgumentParser):
    """An argument parser that answers a bad flag with one sentence instead of a page of usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False, **options
        )

    def error(self, message: str) -> NoReturn:
        """Raise `BadInputError` with argparse's own words and the way to the list of flags."""
        raise BadInputError(f"{message} ({self.prog} --help lists what there is)")


def add_json_flag(parser: CommandParser) -> None:
    """Add the flag of commands whose result programs read."""
    parser.add_argument(
        "--json",
        dest="json_only",
        action="store_true",
        help="print one JSON object in the end, and nothing else",
    )


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def reason_of(error: OSError) -> str:
    """Return what the system says of an error, without the words of the library it came through."""
    return os.strerror(error.errno) if error.errno else one_line(error)


def make_folder(folder: Path) -> None:
    """Make the output; raise `BadInputError` when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(
            f"the folder {folder} cannot be made ({reason_of(error)}); choose another --output"
        ) from error


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1, for argparse's `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def count_int(text: str) -> int:
    """Parse a whole number that may be 0, for argparse's `type`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def seed_int(text: str) -> int:
    """Parse a whole number that can seed every generator we use, for argparse's `type`."""
    if not text.isdecimal() or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_SEED}")
    return int(text)


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run a command line's `main` and leave with the exit code that its ending deserves."""
    try:
        code = main()
    except BadInputError as error:
        print(error, file=sys.stderr)
        code = EXIT_BAD_INPUT
    except WorkFailedError as error:
        print(error, file=sys.stderr)
        code = EXIT_FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = EXIT_INTERRUPTED
    sys.exit(code)
