"""Predictions against the truth, a point for each clip."""

import numpy as np
from numpy.typing import NDArray

from dlf.metrics import compute_metrics
from tracking.figures.sheet import BLUE, DARK, GREY, LABEL_SIZE, LIGHT_GREY, TICK_SIZE, Sheet

EDGE = 4.0
"""the end of the axes; labels lie within 3"""

Floats = NDArray[np.float32]


class PredictedAgainstTrue:
    """The figure of one model after another; for one thread at a time."""

    def __init__(self) -> None:
        self._sheet = Sheet(5.0, 4.6)
        axes = self._sheet.axes((0.12, 0.11, 0.84, 0.81))
        axes.set_xlabel("true sentiment", fontsize=LABEL_SIZE, color=DARK)
        axes.set_ylabel("predicted sentiment", fontsize=LABEL_SIZE, color=DARK)
        axes.set(xlim=(-3.3, 3.3), ylim=(-EDGE, EDGE))
        axes.axhline(0, color=LIGHT_GREY, lw=0.8, zorder=0)
        axes.axvline(0, color=LIGHT_GREY, lw=0.8, zorder=0)
        axes.plot([-3.3, 3.3], [-3.3, 3.3], color=GREY, lw=1, zorder=1)
        self._note = axes.text(
            3.2, -EDGE + 0.12, "", fontsize=TICK_SIZE, color=DARK, ha="right", va="bottom"
        )
        (self._points,) = axes.plot(
            *([], []), ls="", marker="o", ms=4.5, mfc=BLUE, mec="none", alpha=0.45, clip_on=False
        )
        self._title = self._sheet.title(0.54, 0.945)
        self._sheet.keep_all_but([self._points, self._note, self._title])

    def png(self, labels: Floats, predictions: Floats) -> bytes:
        """Draw the predictions [N] of clips against their labels [N].

        Predictions beyond the axes lie on their edge, and are counted.
        """
        metrics = compute_metrics(predictions, labels)
        self._points.set_data(labels, np.clip(predictions, -EDGE, EDGE))
        beyond = int((np.abs(predictions) > EDGE).sum())
        self._note.set_text(f"{beyond} beyond ±{EDGE:g}, on the edge" if beyond else "")
        self._title.set_text(f"MAE {metrics.mae:.4f}, correlation {metrics.corr:.3f}")
        return self._sheet.png()
