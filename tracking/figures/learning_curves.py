"""How a training went: its errors, and below them its losses, by epoch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist

from dlf.metrics import OBJECTIVE, TRAIN_MAE, loss_name
from tracking.figures.sheet import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    TICK_SIZE,
    VERMILION,
    Rectangle,
    Sheet,
)
from tracking.figures.ticks import (
    Ticks,
    Values,
    linear_range,
    linear_ticks,
    log_range,
    log_ticks,
)


class Style(NamedTuple):
    """How a curve is called and drawn."""

    text: str
    colour: str
    marker: str


ERRORS = {
    TRAIN_MAE: Style("training", GREY, "s"),
    OBJECTIVE: Style("validation", BLUE, "o"),
}
LOSSES = {
    loss_name("total"): Style("total", DARK, "o"),
    loss_name("task"): Style("task", BLUE, "s"),
    loss_name("reconstruction"): Style("reconstruction", GREEN, "^"),
    loss_name("specific"): Style("specific", ORANGE, "v"),
    loss_name("margin"): Style("margin", PURPLE, "D"),
    loss_name("orthogonality"): Style("orthogonality", SKY, "X"),
}

MOST_MARKERS = 40
"""of one curve; more of them would cover each other"""

Curves = Mapping[str, Values]


def drawable(curves: Mapping[str, Sequence[float]], epochs: Sequence[int]) -> Curves:
    """Return the curves that can be drawn, NaN where a value cannot.

    Those are the known ones that have a finite value; a loss needs one above 0, for its axis is
    logarithmic.

    Raises:
        ValueError: when a curve has not one value for each epoch.
    """
    found = {}
    for name in (*ERRORS, *LOSSES):
        values = np.array(curves.get(name, ()), np.float64)
        if name in curves and values.shape != (len(epochs),):
            raise ValueError(f"{name} has {len(values)} values for {len(epochs)} epochs")
        shown = np.isfinite(values) & ((values > 0) | (name in ERRORS))
        if shown.any():
            found[name] = np.where(shown, values, np.nan)
    return found


class Panel:
    """Some of the curves on axes of their own, with a legend beside them."""

    def __init__(
        self, sheet: Sheet, place: Rectangle, scale: str, label: str, styles: Mapping[str, Style]
    ) -> None:
        self.axes = sheet.axes(place)
        self.axes.set_yscale(scale)
        sheet.label(0.025, place[1] + place[3] / 2, label, upright=True)
        self.ticks = Ticks(self.axes, "y")
        self.lines = {
            name: self.axes.plot(
                *([], []), label=style.text, c=style.colour, marker=style.marker, ms=3, lw=1.4
            )[0]
            for name, style in styles.items()
        }
        self._markers = [style.marker for style in styles.values()]
        if self.lines:
            self.axes.legend(
                loc="upper left",
                bbox_to_anchor=(1.01, 1.03),
                frameon=False,
                fontsize=TICK_SIZE,
                labelcolor=DARK,
            )

    def show(self, curves: Curves, epochs: Sequence[int]) -> Values:
        """Draw the curves of this panel, and return all of their values."""
        for (name, line), marker in zip(self.lines.items(), self._markers, strict=True):
            line.set_data(epochs, curves[name])
            line.set_marker(marker if len(epochs) <= MOST_MARKERS else "")
        self.axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        return np.concatenate([curves[name] for name in self.lines] or [np.empty(0)])


class LearningCurves:
    """The figure of one training after another; for one thread at a time."""

    def __init__(self) -> None:
        self._prepare([*ERRORS, *LOSSES])

    def png(
        self, curves: Mapping[str, Sequence[float]], epochs: Sequence[int], best_epoch: int
    ) -> bytes:
        """Draw curves by their recorded names, such as `valid/mae`, over the same epochs.

        Some may be missing, and others are passed over.

        Raises:
            ValueError: when a curve has not one value for each epoch.
        """
        shown = drawable(curves, epochs)
        if list(shown) != self._names:
            self._prepare(list(shown))
        low, high = linear_range(self._errors.show(shown, epochs))
        self._errors.axes.set_ylim(low, high)
        self._errors.ticks.show(linear_ticks(low, high))
        low, high = log_range(self._losses.show(shown, epochs))
        self._losses.axes.set_ylim(low, high)
        self._losses.ticks.show(log_ticks(low, high))
        self._epochs.show(linear_ticks(min(epochs), max(epochs), whole=True))
        self._best.set_xdata([best_epoch, best_epoch])
        self._title.set_text(_title(shown, epochs, best_epoch))
        return self._sheet.png()

    def _prepare(self, names: list[str]) -> None:
        """Begin a figure of these curves."""
        self._names = names
        self._sheet = sheet = Sheet(6.0, 4.6)
        self._title = sheet.title(0.43, 0.945)
        sheet.label(0.43, 0.03, "epoch")
        errors, losses = (
            {name: style for name, style in styles.items() if name in names}
            for styles in (ERRORS, LOSSES)
        )
        high, low = (0.11, 0.55, 0.64, 0.37), (0.11, 0.12, 0.64, 0.37)
        self._errors = Panel(sheet, high, "linear", "MAE (sentiment)", errors)
        self._losses = Panel(sheet, low, "log", "loss, log scale", losses)
        self._errors.axes.xaxis.set_visible(False)
        self._best = self._errors.axes.axvline(1, color=VERMILION, lw=1, ls="--")
        self._epochs = Ticks(self._losses.axes, "x")
        changing: list[Artist] = [self._best, self._title]
        for panel in (self._errors, self._losses):
            changing += [*panel.ticks.changing, *panel.lines.values()]
        sheet.keep_all_but(changing + self._epochs.changing)


def _title(curves: Curves, epochs: Sequence[int], best_epoch: int) -> str:
    if OBJECTIVE not in curves or best_epoch not in epochs:
        return f"best epoch: {best_epoch}"
    best = curves[OBJECTIVE][list(epochs).index(best_epoch)]
    return f"validation MAE {best:.4f} in epoch {best_epoch}, the best of {len(epochs)}"
