"""Where a parameter's values stand along an axis: by size, by magnitude, or by choice.

Every axis is drawn on a linear scale of positions with ticks of its own, so that a zero can stand
on a log axis, and so that an axis of parallel coordinates is like any other.
"""

import math
from collections.abc import Iterable, Sequence

from tracking.records import ParamValue, Record
from tracking.report.records import Parameter

ZERO_GAP = 0.5
"""decades between the smallest value on a log axis and zero, which has no logarithm"""

MARGIN = 0.04
"""of the extent, left free on both sides"""


class Tick(Record):
    """A mark on an axis."""

    at: float
    text: str


class Axis(Record):
    """The scale of one parameter."""

    log: bool
    order: Sequence[ParamValue] = ()
    """choices in their order; none for numbers"""
    zero: float | None = None
    """where zero stands on a log axis that needs one"""
    low: float
    high: float
    ticks: Sequence[Tick]

    def place(self, value: ParamValue) -> float | None:
        """Return the position of a value; none where it has none."""
        if self.order:
            return float(self.order.index(value)) if value in self.order else None
        if isinstance(value, str) or not math.isfinite(value):
            return None
        if not self.log:
            return float(value)
        return math.log10(value) if value > 0 else self.zero

    def share(self, value: ParamValue) -> float | None:
        """Return the position from 0, at the low end, to 1."""
        at = self.place(value)
        return None if at is None else (at - self.low) / (self.high - self.low)

    @property
    def frame(self) -> tuple[float, float]:
        """The ends of the axis with a little room, for points lie on them."""
        room = (self.high - self.low) * MARGIN
        return self.low - room, self.high + room


def axis_of(parameter: Parameter, values: Iterable[ParamValue], *, log: bool | None = None) -> Axis:
    """Return an axis that holds the parameter's range, these values and the paper's value.

    Args:
        parameter: what is on it.
        values: all that will be placed on it, which may lie outside of the range.
        log: whether magnitudes are compared; left out: as the parameter is searched.
    """
    paper = [] if parameter.paper is None else [parameter.paper]
    values = [*values, *paper]
    if parameter.choices or any(isinstance(value, str) for value in values):
        return _of_choices([*parameter.choices, *values])
    ends = [end for end in (parameter.low, parameter.high) if end is not None]
    numbers = [float(v) for v in [*values, *ends] if math.isfinite(float(v))] or [0.0, 1.0]
    if parameter.log if log is None else log:
        return _of_magnitudes(numbers)
    low, high = _apart(min(numbers), max(numbers))
    ticks = [Tick(at=at, text=f"{at:g}") for at in round_numbers(low, high, whole=parameter.whole)]
    return Axis(log=False, low=low, high=high, ticks=ticks)


def round_numbers(low: float, high: float, *, whole: bool = False, about: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, about so many."""
    rough = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.10g}") for i in range(first, last + 1)]


def _of_choices(values: Iterable[ParamValue]) -> Axis:
    order = list(dict.fromkeys(values))
    ticks = [Tick(at=float(at), text=shown(value)) for at, value in enumerate(order)]
    return Axis(log=False, order=order, low=-0.5, high=len(order) - 0.5, ticks=ticks)


def _of_magnitudes(numbers: list[float]) -> Axis:
    logs = [math.log10(number) for number in numbers if number > 0] or [-1.0, 0.0]
    low, high = _apart(min(logs), max(logs))
    span = high - low
    factors = (1, 2, 5) if span < 1.3 else (1, 3) if span < 2.3 else (1,)
    every = max(1, math.ceil(span / 5))
    ticks = [
        Tick(at=at, text=f"{factor * 10.0**decade:g}")
        for decade in range(math.floor(low), math.ceil(high) + 1)
        if decade % every == 0
        for factor in factors
        if low - 1e-9 <= (at := decade + math.log10(factor)) <= high + 1e-9
    ]
    zero = None
    if min(numbers) <= 0:
        zero = low = low - ZERO_GAP
        ticks = [Tick(at=zero, text="0"), *ticks]
    return Axis(log=True, zero=zero, low=low, high=high, ticks=ticks)


def _apart(low: float, high: float) -> tuple[float, float]:
    """Return two ends that differ, for a parameter that has a single value."""
    if low < high:
        return low, high
    room = abs(low) / 2 or 0.5
    return low - room, high + room


def shown(value: ParamValue) -> str:
    """Return a value as people read it: four digits, and true or false."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
