"""The figures of the final model on the test split, after Figures 4 and 5 of the paper."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlf.data import Split
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import represent

CLASSES_FILE = "test_confusion_and_classes.png"
"""a promotion's: predictions of the test split by class, after Figure 4 of the paper"""
PROJECTION_FILE = "test_projection.png"
"""a promotion's: the fused representations of the test clips, after its Figure 5"""


def draw_final(
    folder: Path, split: Split, predictions: NDArray[np.float32], final: TrainedModel, device: str
) -> None:
    """Draw what a model says of the test split, and how it represents its clips.

    Args:
        folder: exists.
        split: the test split.
        predictions: of the model, [N].
        final: the model; it is run once more, for the representations.
        device: where.

    Raises:
        OSError: when something cannot be written.
        ValueError: when something cannot be drawn, such as a projection of two clips.
    """
    from tracking.figures.class_accuracy import class_accuracy
    from tracking.figures.projection import projection

    (folder / CLASSES_FILE).write_bytes(class_accuracy(split.labels, predictions))
    clips = Clips(split, final.card.sizes, final.config, device)
    representations = represent(final.model.to(device), clips, final.config)
    final.model.to("cpu")
    (folder / PROJECTION_FILE).write_bytes(projection(representations, split.labels))
