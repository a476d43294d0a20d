"""The final model, class by class: its confusion matrix beside the accuracy of each class.

After Figure 4 of Wang et al., AAAI 2025.
"""

import numpy as np
from numpy.typing import NDArray

from dlf.metrics import CLASSES
from tracking.figures.confusion import NAMES, Cells, Counts, Floats, confusion_counts
from tracking.figures.sheet import BLUE, DARK, LABEL_SIZE, TICK_SIZE, Sheet


def class_accuracies(counts: Counts) -> NDArray[np.float64]:
    """Return the share of each true class that is predicted as it, [7]; NaN without clips."""
    clips = counts.sum(axis=1)
    return np.where(clips > 0, np.diagonal(counts) / np.maximum(clips, 1), np.nan)


def class_accuracy(labels: Floats, predictions: Floats) -> bytes:
    """Draw the predictions [N] of clips against their labels [N], in seven classes, as a PNG."""
    counts = confusion_counts(labels, predictions)
    accuracies, clips = class_accuracies(counts), counts.sum(axis=1)
    sheet = Sheet(9.6, 4.4)
    cells = Cells(sheet, (0.065, 0.12, 0.37, 0.78), (0.45, 0.12, 0.015, 0.78))
    cells.show(counts)
    right, total = int(np.trace(counts)), int(counts.sum())
    sheet.title(0.25, 0.935, f"{right} of {total} clips in the right class")

    axes = sheet.axes((0.6, 0.12, 0.385, 0.78))
    heights = np.nan_to_num(accuracies)
    axes.bar(range(len(CLASSES)), heights, width=0.7, color=BLUE)
    for place, (height, number) in enumerate(zip(heights, clips, strict=True)):
        text = f"{height:.2f}\nof {number}" if number else "none"
        axes.text(
            *(place, height + 0.015, text), fontsize=TICK_SIZE, color=DARK, ha="center", va="bottom"
        )
    axes.set(ylim=(0, 1.14), yticks=np.linspace(0, 1, 6))
    axes.set_xticks(range(len(CLASSES)), NAMES)
    axes.set_xlabel("true class of sentiment", fontsize=LABEL_SIZE, color=DARK)
    axes.set_ylabel("accuracy in the class", fontsize=LABEL_SIZE, color=DARK)
    mean = f"{np.nanmean(accuracies):.3f}" if total else "none"
    sheet.title(0.79, 0.935, f"accuracy of each class, their mean {mean}")
    return sheet.png()
