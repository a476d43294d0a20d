"""The one look at the test split, which the study remembers for ever."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlf.data import Split, open_test_split
from dlf.data.store import verify_split
from dlf.text.encoder import refuse_changed
from dlf.text.prepared import open_text, prepare_text
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from search.promotion.plan import now
from search.study.readings import stamp
from search.trial.data import TrialData
from tracking.predictions import Predictions, read_predictions, write_predictions


class OnTest(BaseModel):
    """What models say of the test split."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    ids: Sequence[str]
    labels: NDArray[np.float32]
    """[N]"""
    of_seeds: Mapping[str, Sequence[NDArray[np.float32]]]
    """the predictions [N] of every seed, by the name of a configuration"""

    def ensemble(self, name: str) -> NDArray[np.float32]:
        """Return the mean prediction [N] of all seeds of a configuration."""
        mean: NDArray[np.float32] = np.mean(self.of_seeds[name], axis=0, dtype=np.float32)
        return mean

    def errors(self, name: str) -> NDArray[np.float32]:
        """Return the absolute errors [S, N] of a configuration."""
        errors: NDArray[np.float32] = np.abs(np.stack(list(self.of_seeds[name])) - self.labels)
        return errors


def read_test_split(
    study: optuna.Study,
    promotion: str,
    models: Mapping[str, Sequence[TrainedModel]],
    data: TrialData,
    device: str,
    file: Path,
    look: Callable[[Split, Mapping[str, NDArray[np.float32]]], None] = lambda *_: None,
) -> OnTest:
    """Let each model predict the test split, keep that in a file, and stamp the study.

    A promotion that was ended after that finds the file, and does not read the split again; one
    that was ended within it, before anybody has seen anything, reads it under the same stamp. An
    encoder that has changed, a split that is damaged and a model that predicts nothing are found
    out before the stamp.

    Args:
        study: is stamped before the split is opened.
        promotion: its name, for the stamp.
        models: of every seed, by the name of a configuration.
        data: whose test split.
        device: where the models run.
        file: the table of predictions; its column `prediction` is the first model's.
        look: is given the split and the predictions, by column, once they are kept.

    Raises:
        OSError: when the predictions cannot be written.
    """
    if not file.exists():
        _refuse_what_cannot_predict(models, data, device)
        stamp(study, promotion, now())
        split = _open(data, device)
        found = {
            f"{name}_{index}": predictions_of(model, split, device)
            for name, of_seeds in models.items()
            for index, model in enumerate(of_seeds)
        }
        first = next(iter(found.values()))
        file.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(file, Predictions(split.ids, split.labels, first, found))
        look(split, found)
    table = read_predictions(file)
    return OnTest(
        ids=table.ids,
        labels=table.labels,
        of_seeds={
            name: [table.others[f"{name}_{index}"] for index in range(len(of_seeds))]
            for name, of_seeds in models.items()
        },
    )


def predictions_of(trained: TrainedModel, split: Split, device: str) -> NDArray[np.float32]:
    """Return what a model says of a split's clips, [N]; it comes back to the CPU."""
    clips = Clips(split, trained.card.sizes, trained.config, device)
    predictions = predict(trained.model.to(device), clips, trained.config)
    trained.model.to("cpu")
    return predictions


def _open(data: TrialData, device: str) -> Split:
    test = open_test_split(data.dataset, data.data_dir)
    prepare_text(data.text, data.dataset, data.data_dir, [test], device=device)
    return open_text(data.text, data.dataset, data.data_dir, test)


def _refuse_what_cannot_predict(
    models: Mapping[str, Sequence[TrainedModel]], data: TrialData, device: str
) -> None:
    if data.text.encoder is not None:
        refuse_changed(data.text.encoder)
    verify_split(data.dataset, data.data_dir, "test")
    few = data.open().valid.take(np.arange(2))
    for of_seeds in models.values():
        for trained in of_seeds:
            predictions_of(trained, few, device)
