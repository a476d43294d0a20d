"""The figures that a trial's run is given when it ends."""

from collections.abc import Sequence
from pathlib import Path

from dlf.metrics import OBJECTIVE
from tracking.predictions import Predictions
from tracking.records import Metrics
from tracking.run_names import CONFUSION_FILE, CURVES_FILE, SCATTER_FILE


class TrialPictures:
    """Draws one trial after another; for one thread at a time.

    Matplotlib is imported when it is made, which takes its time.
    """

    def __init__(self) -> None:
        from tracking.figures.confusion import ConfusionMatrix
        from tracking.figures.learning_curves import LearningCurves
        from tracking.figures.predicted_against_true import PredictedAgainstTrue

        self._curves = LearningCurves()
        self._confusion = ConfusionMatrix()
        self._scatter = PredictedAgainstTrue()

    def draw(
        self, folder: Path, history: Sequence[Metrics], predictions: Predictions | None
    ) -> None:
        """Write the figures into a folder: the learning curves, and those of predictions, if any.

        Args:
            folder: must exist.
            history: the metrics of each epoch, from the first on.
            predictions: of the validation split, by the best weights.
        """
        epochs = range(1, len(history) + 1)
        names = [name for name in history[0] if all(name in metrics for metrics in history)]
        curves = {name: [metrics[name] for metrics in history] for name in names}
        objective = curves.get(OBJECTIVE, [0.0] * len(history))
        best = objective.index(min(objective)) + 1
        (folder / CURVES_FILE).write_bytes(self._curves.png(curves, epochs, best))
        if predictions is not None:
            labels, predicted = predictions.labels, predictions.prediction
            (folder / CONFUSION_FILE).write_bytes(self._confusion.png(labels, predicted))
            (folder / SCATTER_FILE).write_bytes(self._scatter.png(labels, predicted))
