"""A tiny model, trained on the synthetic dataset and registered, and rows to ask it about."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from dlf.config import Value
from dlf.data import read_manifest, synthetic
from dlf.metrics import sentiment_class
from dlf.text.source import TextSource
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict_levels
from dlf.training.training_data import TrainingData
from tests.support.small_models import SMALL
from tracking.registry.champion import register_champion
from tracking.registry.model_package import package_model
from tracking.store.connection import connect
from tracking.store.location import TrackingLocation

TINY = SMALL.with_values({"accumulation": 1, "learning_rate": 3e-3})
CLIPS = 12
"""in the valid split"""

CHAMPION = "models:/dlf-synthetic@champion"
CLOSE = 1e-5

Row = dict[str, Any]
Registers = Callable[..., "Registered"]


class Registered(NamedTuple):
    """The champion of a registry, and what it says of the valid split in this process."""

    trained: TrainedModel
    location: TrackingLocation
    exported: Path
    package: Path
    expected: list[dict[str, float]]

    @classmethod
    def of(
        cls,
        text: TextSource,
        location: TrackingLocation,
        folder: Path,
        data_dir: Path,
        values: Mapping[str, Value] = {},
    ) -> "Registered":
        """Train two epochs and register the better one."""
        config = TINY.with_values(values)
        data = TrainingData.open(read_manifest("synthetic", data_dir), data_dir, text, "cpu")
        training = data.training(config, seed=1, max_epochs=2, device="cpu")
        list(training.epochs())
        trained = data.best_model(training)
        trained.export(folder / "exported")
        package = package_model(folder / "exported", folder / "package")
        store = connect(location)
        experiment = store.experiment("promotions", location.artifact_root)
        register_champion(
            location,
            dataset="synthetic",
            run_id=store.create_run(experiment, "final", {}, 0),
            folder=package,
            key="a promotion",
            tags={},
            metrics={"valid/mae": trained.card.valid.mae},
        )
        clips = Clips(data.valid, trained.card.sizes, config, "cpu")
        levels = predict_levels(trained.model, clips, config)
        assert levels.specific is not None
        columns = {
            "sentiment": levels.prediction,
            "class": sentiment_class(levels.prediction, 3),
            **dict(zip(trained.model.modalities, levels.specific, strict=True)),
        }
        expected = [{name: float(of[i]) for name, of in columns.items()} for i in range(CLIPS)]
        return cls(trained, location, folder / "exported", package, expected)


def feature_file() -> dict[str, dict[str, Any]]:
    """Return what a feature file of the few clips of the valid split alone holds."""
    valid = synthetic.generate(0)["valid"]
    return {"valid": {name: of[:CLIPS] for name, of in valid.items()}}


def rows_of_features() -> list[Row]:
    """Return the clips as the file has them, padding and all."""
    valid = feature_file()["valid"]
    names = ("text", "audio", "vision")
    return [{name: valid[name][i].tolist() for name in names} for i in range(CLIPS)]


def rows_of_words() -> list[Row]:
    """Return the clips with what was said as a string."""
    words = feature_file()["valid"]["raw_text"]
    return [row | {"text": str(said)} for row, said in zip(rows_of_features(), words, strict=True)]


def rows_of_token_ids() -> list[Row]:
    """Return the clips with what was said as the ids of the file, of the vocabulary of BERT."""
    text_bert = np.asarray(feature_file()["valid"]["text_bert"])
    ids = [each[mask > 0].astype(int).tolist() for each, mask in text_bert[:, :2]]
    return [row | {"text": said} for row, said in zip(rows_of_features(), ids, strict=True)]


def assert_says(
    said: Sequence[Mapping[str, float]], expected: Sequence[Mapping[str, float]]
) -> None:
    assert [set(row) for row in said] == [set(row) for row in expected]
    for name in expected[0]:
        assert [row[name] for row in said] == pytest.approx(
            [row[name] for row in expected], abs=CLOSE
        ), name
