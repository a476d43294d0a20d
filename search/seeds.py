"""Where seeds come from: those of a search and those of its promotion never meet."""

PROMOTION_SEEDS = 1_000_000_000
"""all seeds from here on belong to promotion"""


def search_seed(base: int, trial: int) -> int:
    """Return the seed of a trial of a search whose own seed is `base`."""
    return (base * 1_000_003 + trial) % PROMOTION_SEEDS


def promotion_seed(index: int) -> int:
    """Return the seed of a promotion's replicate; every finalist gets the same ones."""
    return PROMOTION_SEEDS + index
