"""Where seeds come from: those of a search and those of its promotion never meet."""

PROMOTION_SEEDS = 1_000_000_000
"""all seeds from here on belong to promotion"""

_REPLICATE_STRIDE = 314_159_269


def search_seed(base: int, trial: int, replicate: int = 0) -> int:
    """Return the seed of one replicate of a trial of a search whose own seed is `base`."""
    return (base * 1_000_003 + trial + replicate * _REPLICATE_STRIDE) % PROMOTION_SEEDS


def promotion_seed(index: int) -> int:
    """Return the seed of a promotion's replicate; every finalist gets the same ones."""
    return PROMOTION_SEEDS + index
