"""What is kept of the final model beside its metrics: its test predictions, and its figures."""

from pathlib import Path

from dlf.batching import Clips
from dlf.inference import represent
from dlf.trained_model import TrainedModel
from search.verdict import Verdict
from tracking.predictions import Predictions, write_predictions

TEST_PREDICTIONS_FILE = "test_predictions.parquet"
CLASSES_FILE = "test_confusion_and_classes.png"
PROJECTION_FILE = "test_projection.png"


def keep_final(
    folder: Path, verdict: Verdict, final: TrainedModel, position: int, device: str
) -> None:
    """Write the test predictions of the final model and of all seeds, and the model's figures.

    Args:
        folder: is made if it is missing.
        verdict: what the models of all seeds say of the test split, which is not opened again.
        final: the one that is registered.
        position: its place among them.
        device: where it is run once more, for the representations of the clips.

    Raises:
        OSError: when something cannot be written.
        ValueError: when something cannot be drawn, such as a projection of two clips.
    """
    from tracking.figures.class_accuracy import class_accuracy
    from tracking.figures.projection import projection

    folder.mkdir(parents=True, exist_ok=True)
    labels, prediction = verdict.split.labels, verdict.predictions[position]
    of_seeds = {f"seed_{index}": each for index, each in enumerate(verdict.predictions)}
    predictions = Predictions(verdict.split.ids, labels, prediction, of_seeds)
    write_predictions(folder / TEST_PREDICTIONS_FILE, predictions)
    (folder / CLASSES_FILE).write_bytes(class_accuracy(labels, prediction))
    clips = Clips(verdict.split, final.card.sizes, final.config, device)
    representations = represent(final.model.to(device), clips, final.config)
    final.model.to("cpu")
    (folder / PROJECTION_FILE).write_bytes(projection(representations, labels))
