"""Axes that change from figure to figure: where they end, and their ticks."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT, MarkerStyle
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from tracking.figures.outlines import Numbers
from tracking.figures.sheet import DARK, GREY, TICK_SIZE

Values = NDArray[np.float64]

MARGIN = 0.06
"""of the range of the values, on either side"""
MOST_TICKS = 6
POWERS = (-300.0, 300.0)
"""of ten, between which a logarithmic axis ends"""

GAPS = {"x": (0.0, -13.0), "y": (-7.0, 0.0)}
"""from a tick to its number, in pixels"""


class Ticks:
    """The ticks of one axis, in place of its own, which take far longer to draw."""

    def __init__(self, axes: Axes, axis: Literal["x", "y"]) -> None:
        self._axis = axis
        if axis == "x":
            axes.xaxis.set_major_locator(NullLocator())
            axes.xaxis.set_minor_locator(NullLocator())
            self._place = axes.get_xaxis_transform()
        else:
            axes.yaxis.set_major_locator(NullLocator())
            axes.yaxis.set_minor_locator(NullLocator())
            self._place = axes.get_yaxis_transform()
        marker = MarkerStyle(TICKDOWN if axis == "x" else TICKLEFT)
        self._marks = Line2D(
            [], [], ls="", marker=marker, ms=3.5, mec=GREY, transform=self._place, clip_on=False
        )
        self._numbers = Numbers(TICK_SIZE, DARK, align=0.5 if axis == "x" else 1.0)
        self._numbers.set_clip_on(False)
        axes.add_artist(self._marks)
        axes.add_artist(self._numbers)

    @property
    def changing(self) -> list[Artist]:
        """What `show` changes."""
        return [self._marks, self._numbers]

    def show(self, values: Sequence[float]) -> None:
        """Put the ticks at these values; the limits of the axes must be set."""
        along, across = np.array(values, np.float64), np.zeros(len(values))
        places = np.stack([along, across] if self._axis == "x" else [across, along], axis=1)
        self._marks.set_data(*places.T)
        pixels = self._place.transform(places) + GAPS[self._axis]
        self._numbers.write([f"{value:g}" for value in values], pixels)


def linear_range(values: Values) -> tuple[float, float]:
    """Return the ends of an axis that holds all finite values, with a margin."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    margin = MARGIN * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def log_range(values: Values) -> tuple[float, float]:
    """Return the ends of a logarithmic axis that holds all finite values, which are above 0."""
    low, high = linear_range(np.clip(np.log10(values), *POWERS))
    return 10.0**low, 10.0**high


def linear_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return a few round values within the ends, or whole ones."""
    locator = MaxNLocator(MOST_TICKS - 1, integer=whole, min_n_ticks=1, steps=[1, 2, 5, 10])
    ticks: list[float] = np.round(locator.tick_values(low, high), 10).tolist()
    return [tick for tick in ticks if low <= tick <= high]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten within the ends; fewer where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    within: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        within = [tick for tick in ticks if low <= tick <= high]
        if len(within) <= MOST_TICKS:
            return within
    return within[:: math.ceil(len(within) / MOST_TICKS)]
