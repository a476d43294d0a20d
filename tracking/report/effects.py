"""Whether a parameter goes with the objective, told apart from chance and from its companions.

A sampler that learns draws its parameters together and draws better ones later, so that a parameter
of no effect at all goes with the objective. So what the other parameters and the trial's number
explain is taken out first, and chance is measured by shuffling trials of about the same time.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tracking.records import ParamValue, Record

Floats = NDArray[np.float64]

SHUFFLES = 999
BLOCK = 10
"""trials in a row among which values are shuffled"""

CLEAR = 0.005
"""chance shows a clear effect no more often: half of it by its trend, half of it by its shape"""

LEAST_TRIALS = 20
PER_BIN, MOST_BINS = 10, 6


class Bin(Record):
    """Trials of neighbouring values."""

    low: float
    high: float
    middle: float
    """the median of the values"""
    trials: int
    median: float
    """of the objective"""
    quartiles: tuple[float, float]


class Effect(Record):
    """What a number does to the objective, as far as trials tell."""

    trials: int
    needed: int
    """trials that it takes to tell"""
    correlation: float | None = None
    """of ranks, what the other parameters explain taken out; positive: higher, worse"""
    trend: float = 1.0
    """how often chance shows a correlation as strong"""
    shape: float = 1.0
    """how often chance parts the bins as far"""
    bins: Sequence[Bin] = ()

    @property
    def has_trend(self) -> bool:
        """Whether more is clearly better, or worse."""
        return self.trend <= CLEAR / 2

    @property
    def has_shape(self) -> bool:
        """Whether some values are clearly better than others."""
        return self.shape <= CLEAR / 2


def effects_of(
    names: Sequence[str], rows: Sequence[Mapping[str, ParamValue]], objective: Sequence[float]
) -> dict[str, Effect]:
    """Return the effect of some parameters, all numbers, on the objective.

    Args:
        names: the parameters in question.
        rows: all parameters of each trial, in the order in which they were begun.
        objective: what each came to, all finite.
    """
    companions = sorted({name for row in rows for name in row})
    effects: dict[str, Effect] = {}
    orders: dict[int, NDArray[np.intp]] = {}
    for name in names:
        there = [i for i, row in enumerate(rows) if name in row]
        values = np.array([float(rows[i][name]) for i in there])
        reached = np.array([objective[i] for i in there])
        others = [c for c in companions if c != name]
        needed = max(LEAST_TRIALS, 2 * (len(others) + 2))
        bins = bins_of(values, reached) if len(there) >= LEAST_TRIALS else []
        if len(there) < needed or np.ptp(values) == 0:
            effects[name] = Effect(trials=len(there), needed=needed, bins=bins)
            continue
        rest = _unexplained(reached, [rows[i] for i in there], others)
        if len(there) not in orders:
            orders[len(there)] = shuffles(len(there), SHUFFLES, np.random.default_rng(0))
        effects[name] = _tested(values, rest, bins, needed, orders[len(there)])
    return effects


def bins_of(values: Floats, objective: Floats) -> list[Bin]:
    """Return bins of about as many trials each, the lowest values first; zeros are one of them."""
    members = [np.flatnonzero(_bin_numbers(values) == i) for i in range(MOST_BINS + 1)]
    return [
        Bin(
            low=float(values[m].min()),
            high=float(values[m].max()),
            middle=float(np.median(values[m])),
            trials=len(m),
            median=float(np.median(objective[m])),
            quartiles=(
                float(np.quantile(objective[m], 0.25)),
                float(np.quantile(objective[m], 0.75)),
            ),
        )
        for m in members
        if len(m)
    ]


def shuffles(length: int, count: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Return so many orders of 0 to length - 1, in which each number stays in its block."""
    blocks = np.arange(length) // BLOCK
    return np.argsort(blocks + generator.random((count, length)), axis=1)


def ranks(values: Floats) -> Floats:
    """Return the ranks of values, from 0 to 1 about zero; equal values share one."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - (counts - 1) / 2 - 0.5) / len(values) - 0.5)[inverse]


def _tested(
    values: Floats, rest: Floats, bins: Sequence[Bin], needed: int, orders: NDArray[np.intp]
) -> Effect:
    ordered = ranks(values)
    rest = rest - rest.mean()
    chance = rest[orders]
    numbers = _bin_numbers(values)
    member = (numbers[:, None] == np.unique(numbers)).astype(np.float64)
    spread = ((rest @ member) ** 2 / member.sum(0)).sum()
    spreads = ((chance @ member) ** 2 / member.sum(0)).sum(1)
    strength = np.linalg.norm(ordered) * np.linalg.norm(rest)
    return Effect(
        trials=len(values),
        needed=needed,
        correlation=float(ordered @ rest / strength) if strength else 0.0,
        trend=_share_above(np.abs(chance @ ordered), abs(float(ordered @ rest))),
        shape=_share_above(spreads, float(spread)),
        bins=bins,
    )


def _share_above(chance: Floats, found: float) -> float:
    """Return how often chance comes as far, what was found counted as one of its cases."""
    return float(1 + np.count_nonzero(chance >= found * (1 - 1e-9))) / (len(chance) + 1)


def _unexplained(
    objective: Floats, rows: Sequence[Mapping[str, ParamValue]], others: Sequence[str]
) -> Floats:
    """Return the ranks of the objective without what ranks of other parameters and time explain."""
    time = np.linspace(-0.5, 0.5, len(rows))
    columns = [np.ones(len(rows)), time, time**2]
    columns += [_ranks_where_there([row.get(name) for row in rows]) for name in others]
    known = np.stack(columns, axis=1)
    ordered = ranks(objective)
    fitted, *_ = np.linalg.lstsq(known, ordered, rcond=None)
    return np.asarray(ordered - known @ fitted)


def _ranks_where_there(values: Sequence[ParamValue | None]) -> Floats:
    """Return ranks of values; a parameter that does not exist has the middle one."""
    choices = sorted({str(value) for value in values if isinstance(value, str)})
    numbers = [
        np.nan if v is None else float(choices.index(v)) if isinstance(v, str) else float(v)
        for v in values
    ]
    column = np.array(numbers)
    there = ~np.isnan(column)
    out = np.zeros(len(column))
    if there.any():
        out[there] = ranks(column[there])
    return out


def _bin_numbers(values: Floats) -> NDArray[np.intp]:
    """Return the number of each value's bin; zero is the first, equal values share theirs."""
    distinct, numbers = np.unique(values, return_inverse=True)
    if len(distinct) <= MOST_BINS:
        return numbers
    numbers = np.zeros(len(values), dtype=np.intp)
    positive = values != 0
    count = int(np.count_nonzero(positive))
    if count:
        bins = min(max(count // PER_BIN, 1), MOST_BINS)
        edges = np.quantile(values[positive], np.arange(1, bins) / bins)
        numbers[positive] = 1 + np.searchsorted(edges, values[positive], side="right")
    return numbers
