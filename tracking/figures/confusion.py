"""The seven classes of sentiment: which are taken for which, as numbers and as a figure."""

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from dlf.metrics import CLASSES, STRONGEST, sentiment_class
from tracking.figures.outlines import Numbers
from tracking.figures.sheet import DARK, GREY, LABEL_SIZE, TICK_SIZE, Rectangle, Sheet

NAMES = [f"{each:+d}".replace("-", "\N{MINUS SIGN}") if each else "0" for each in CLASSES]

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]

COUNT_SIZE = 11.0
PALE_UNTIL = 0.55
"""the share up to which dark numbers are better read than white ones"""


def confusion_counts(labels: Floats, predictions: Floats) -> Counts:
    """Count clips, given labels [N] and predictions [N], by true (rows) and predicted class [7, 7].

    Classes go from -3 to 3. Clips whose prediction is not finite are left out.
    """
    known = np.isfinite(predictions)
    rows, columns = (
        sentiment_class(values[known], STRONGEST).astype(np.int64) + STRONGEST
        for values in (labels, predictions)
    )
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def row_shares(counts: Counts) -> NDArray[np.float64]:
    """Return counts [7, 7] as shares of their true class; 0 in a class without clips."""
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


class Cells:
    """A confusion matrix on axes of its own, with a scale of its shades beside it."""

    def __init__(self, sheet: Sheet, place: Rectangle, scale_place: Rectangle) -> None:
        self.axes = sheet.axes(place)
        self.axes.set_xlabel("predicted class of sentiment", fontsize=LABEL_SIZE, color=DARK)
        self.axes.set_ylabel("true class of sentiment", fontsize=LABEL_SIZE, color=DARK)
        shades = Normalize(0, 1), colormaps["Blues"]
        empty = np.zeros((len(CLASSES), len(CLASSES)))
        self._shades = self.axes.imshow(empty, shades[1], shades[0], aspect="auto")
        self._dark, self._white = (Numbers(COUNT_SIZE, colour) for colour in (DARK, "white"))
        for numbers in (self._dark, self._white):
            self.axes.add_artist(numbers)
        self.axes.set_xticks(range(len(CLASSES)), NAMES)
        self.axes.set_yticks(range(len(CLASSES)), NAMES)
        scale = sheet.axes(scale_place)
        bar = sheet.figure.colorbar(self._shades, cax=scale, ticks=[0, 0.5, 1])
        bar.set_label("share of the true class", fontsize=TICK_SIZE, color=DARK)
        bar.outline.set_edgecolor(GREY)

    @property
    def changing(self) -> list[Artist]:
        """What `show` changes, and the frame, which lies above it."""
        return [self._shades, self._dark, self._white, *self.axes.spines.values()]

    def show(self, counts: Counts) -> None:
        """Shade the cells by row, and write the counts that are not 0."""
        shares = row_shares(counts)
        self._shades.set_data(shares)
        pale = shares <= PALE_UNTIL
        for numbers, chosen in ((self._dark, pale), (self._white, ~pale)):
            rows, columns = np.nonzero(chosen & (counts > 0))
            places = self.axes.transData.transform(np.stack([columns, rows], axis=1))
            numbers.write(map(str, counts[rows, columns]), places)


class ConfusionMatrix:
    """The figure of one model after another; for one thread at a time."""

    def __init__(self) -> None:
        self._sheet = Sheet(5.0, 4.2)
        self._cells = Cells(self._sheet, (0.12, 0.12, 0.68, 0.78), (0.84, 0.12, 0.03, 0.78))
        self._title = self._sheet.title(0.46, 0.935)
        self._sheet.keep_all_but([*self._cells.changing, self._title])

    def png(self, labels: Floats, predictions: Floats) -> bytes:
        """Draw the predictions [N] of clips against their labels [N], in seven classes."""
        counts = confusion_counts(labels, predictions)
        self._cells.show(counts)
        right, total = int(np.trace(counts)), int(counts.sum())
        self._title.set_text(f"{right} of {total} clips in the right class")
        return self._sheet.png()
