"""Numbers of seeds as flags: of trainings that are compared, whose spread must be known."""

import argparse

from search.seeded.comparison import FEWEST_SEEDS


def several_seeds(text: str) -> int:
    """Parse a number of seeds that have a spread, for argparse's `type`."""
    if not text.isdecimal() or int(text) < FEWEST_SEEDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of at least {FEWEST_SEEDS}: one seed has no spread"
        )
    return int(text)
