"""Where seeds come from: those of a search, of its race and of a final training never meet."""

PROMOTION_SEEDS = 1_000_000_000
"""all seeds from here on belong to promotion, those below to searches"""
FINAL_SEEDS = 2_000_000_000
ABLATION_SEEDS = 3_000_000_000

_REPLICATE_STRIDE = 314_159_269


def search_seed(base: int, trial: int, replicate: int = 0) -> int:
    """Return the seed of one replicate of a trial of a search whose own seed is `base`."""
    return (base * 1_000_003 + trial + replicate * _REPLICATE_STRIDE) % PROMOTION_SEEDS


def race_seed(index: int) -> int:
    """Return a seed of a promotion's race; every finalist gets the same ones."""
    return PROMOTION_SEEDS + index


def final_seed(index: int) -> int:
    """Return a seed of the final trainings; the winner and the paper's get the same ones."""
    return FINAL_SEEDS + index


def ablation_seed(index: int) -> int:
    """Return a seed of an ablation; every row gets the same ones."""
    return ABLATION_SEEDS + index
