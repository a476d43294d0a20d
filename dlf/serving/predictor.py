"""Predictions of a trained model, loaded from its folder, for rows or splits from outside."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from dlf.command import BadInputError, one_line, reason_of
from dlf.data import Split
from dlf.metrics import STRONGEST, sentiment_class
from dlf.modalities import MODALITIES, Modality
from dlf.serving.rows import Row, RowReader
from dlf.text.reader import TextReader
from dlf.trained_model import CARD_FILE, MODEL_FILES, TEXT_ENCODER_FOLDER, TrainedModel
from dlf.training.batching import Clips, LabelledClips
from dlf.training.inference import predict_levels

COLUMNS = ("sentiment", "class", *MODALITIES)


class Predictions(NamedTuple):
    """What a model says of N clips."""

    sentiment: NDArray[np.float32]
    """[N], in [-3, 3]"""
    by_modality: Mapping[Modality, NDArray[np.float32]]
    """[N] each, in [-3, 3]: by a modality alone; empty for a model without hierarchy"""

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class of seven of every clip [N], -3 to 3: the nearest, halves to even."""
        return sentiment_class(self.sentiment, STRONGEST).astype(np.int64)

    def columns(self) -> dict[str, list[float] | list[int] | list[None]]:
        """Return the predictions under the names in `COLUMNS`, none where a model has none."""
        nothing: list[None] = [None] * len(self.sentiment)
        return {
            "sentiment": self.sentiment.tolist(),
            "class": self.classes.tolist(),
            **{
                m: self.by_modality[m].tolist() if m in self.by_modality else nothing
                for m in MODALITIES
            },
        }


class Predictor:
    """A trained model that predicts, with whatever it needs to read text.

    It computes in float32 whatever its training did, so that what is predicted of a clip does not
    depend on the clips beside it. Several threads may use it at once.
    """

    def __init__(self, trained: TrainedModel, text: TextReader | None, device: str) -> None:
        """Take over a model; `text` reads strings and token ids for it."""
        self.config = trained.config.with_values({"precision": "float32"})
        self.card = trained.card
        self._model = trained.model.to(device).eval()
        self._text = text
        self._device = device
        self._rows = RowReader(self._model.modalities, self.card.sizes, text)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Predictor":
        """Read a model's folder, or an MLflow model that holds one.

        Raises:
            BadInputError: when there is no such folder, or no model in it that can be used.
        """
        found = find_model(folder)
        trained = _load(found)
        return cls(trained, _text_reader(trained, found / TEXT_ENCODER_FOLDER, device), device)

    def predict(self, rows: Sequence[Row]) -> Predictions:
        """Predict of rows, which `dlf.serving.rows.RowReader` describes.

        Raises:
            BadInputError: naming the row and the column that cannot be taken.
        """
        return self._predict(self._rows.clips(rows))

    def predict_split(self, split: Split, decides: Split) -> Predictions:
        """Predict of a feature file's split; text is taken as in the model's training.

        Args:
            split: the split.
            decides: see `TextReader.read_split`.

        Raises:
            BadInputError: when features are of other widths than the model takes, or a text encoder
                is needed and there is nothing for it to read, or it is of no use.
        """
        for modality in self._model.modalities:
            if modality == "text" and self._text is not None:
                continue
            width, taken = split[modality].values.shape[1], self.card.sizes.widths[modality]
            if width != taken:
                raise BadInputError(
                    f"{split.name}/{modality} has width {width} where the model takes {taken}"
                )
        if self._text is not None:
            split = dataclasses.replace(split, text=self._text.read_split(split, decides))
        return self._predict(split)

    def _predict(self, clips: LabelledClips) -> Predictions:
        placed = Clips(clips, self.card.sizes, self.config, self._device)
        levels = predict_levels(self._model, placed, self.config)
        lost = np.flatnonzero(~np.isfinite(levels.prediction))
        if lost.size:
            raise BadInputError(
                f"the prediction of row {lost[0]} is not a number: its features are too large"
            )
        by_modality: dict[Modality, NDArray[np.float32]] = {}
        if levels.specific is not None:
            by_modality = dict(zip(self._model.modalities, _clipped(levels.specific), strict=True))
        return Predictions(_clipped(levels.prediction), by_modality)


def find_model(folder: Path) -> Path:
    """Return the folder itself where it is a model's, else that in an MLflow model.

    Raises:
        BadInputError: when there is no such folder, or none or several models in it.
    """
    if not folder.is_dir():
        raise BadInputError(f"there is no folder {folder}")
    if (folder / CARD_FILE).is_file():
        return folder
    found = sorted(card.parent for card in folder.glob(f"data/**/{CARD_FILE}"))
    if not found:
        raise BadInputError(
            f"{folder} holds no model: there is no {CARD_FILE} in it, nor below its folder data as "
            "in an MLflow model"
        )
    if len(found) > 1:
        raise BadInputError(
            f"{folder} holds several models; name one: {', '.join(map(str, found))}"
        )
    return found[0]


def _load(folder: Path) -> TrainedModel:
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if missing:
        raise BadInputError(f"the model {folder} has no {missing[0]}; bring all of it")
    try:
        return TrainedModel.load(folder)
    except OSError as error:
        raise BadInputError(f"the model {folder} cannot be read: {reason_of(error)}") from error
    except (BadInputError, ValueError, RuntimeError, SafetensorError) as error:
        raise BadInputError(
            f"the model {folder} is damaged or of another version: {one_line(error)[:200]}"
        ) from error


def _text_reader(trained: TrainedModel, inside: Path, device: str) -> TextReader | None:
    """Return what reads text for a model, with the encoder `inside` its folder if it is there."""
    text = trained.card.text
    if text is None or text.encoder is None or "text" not in trained.model.modalities:
        return None
    encoder = text.encoder
    if inside.is_dir():
        encoder = encoder.model_copy(update={"name": str(inside)})
    limit = trained.card.sizes.time_steps.text
    return TextReader(encoder, trained.model.text_encoder, limit=limit, device=device)


def _clipped(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(values, -STRONGEST, STRONGEST)
