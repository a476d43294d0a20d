"""Which trials are drawn where all of them would be too many to look at, or to draw."""

from collections.abc import Sequence
from typing import TypeVar

from tracking.report.records import ReportedTrial

Item = TypeVar("Item")

CURVES = 250
LINES = 300
POINTS = 700


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly spread over all."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def thinned(trials: Sequence[ReportedTrial], most: int) -> list[ReportedTrial]:
    """Return at most so many trials, by number: half of them the best, others evenly spread.

    The best trial and the paper's are always among them.
    """
    if len(trials) <= most:
        return list(trials)
    complete = sorted((t for t in trials if t.complete), key=lambda t: (t.reached, t.number))
    paper = [t for t in trials if t.paper]
    kept = {t.number: t for t in [*paper, *complete[: most // 2 - len(paper)]]}
    others = [t for t in trials if t.number not in kept]
    kept |= {t.number: t for t in spread(others, most - len(kept))}
    return sorted(kept.values(), key=lambda t: t.number)
