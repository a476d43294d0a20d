"""A trained model, in memory and as a folder: weights, configuration, and where it comes from.

A text encoder that learned along is part of the model: its weights lie among the others, and what
describes it, with its tokenizer, in a folder of its own. A frozen one lies there whole, in a folder
that was exported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dlf.command import one_line
from dlf.config import Config
from dlf.metrics import Metrics
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.text.encoder import copy_encoder, refuse_changed
from dlf.text.finetuned import TextEncoder
from dlf.text.source import TextSource
from dlf.whole_file import folder_replaced_whole

CONFIG_FILE = "config.yaml"
"""its configuration"""
WEIGHTS_FILE = "model.safetensors"
"""its weights"""
CARD_FILE = "card.json"
"""where it comes from, and what it takes"""
TEXT_ENCODER_FOLDER = "text_encoder"
"""the encoder that learned along, or reads raw text for it, where it has one"""
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE)


class ModelCard(BaseModel):
    """Where a model comes from, and what it takes; of an imported model much is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    dataset_digest: str | None = None
    text: TextSource | None = None
    """where its text features come from"""
    sizes: InputSizes
    seed: int | None = None
    epoch: int | None = None
    """the epoch whose weights these are"""
    known_valid: Metrics | None = Field(None, alias="valid")

    @property
    def valid(self) -> Metrics:
        """The metrics on the validation split.

        Raises:
            ValueError: for an imported model, which has none.
        """
        if self.known_valid is None:
            raise ValueError("an imported model has no validation metrics")
        return self.known_valid


class TrainedModel(NamedTuple):
    """A model with the weights of its best epoch, or of a checkpoint, on the CPU."""

    model: DLF
    config: Config
    card: ModelCard

    def save(self, folder: Path) -> None:
        """Make `folder` the model's, as a whole; what was in it before is replaced.

        Whoever is killed meanwhile leaves a folder beside it, with a dot and the process after its
        name.

        Raises:
            OSError: when it cannot be written; what was in the folder before is still there.
        """
        with _written_whole(folder) as unfinished:
            self._write(unfinished)

    def export(self, folder: Path) -> None:
        """Do as `save` does, and put a frozen text encoder beside the model, weights and all.

        Such a folder is enough to predict from raw text where there is neither the hub nor a
        package with the encoder. One that learned along is part of the model anyway.

        Raises:
            BadInputError: when the encoder is not to be had any more, or has changed.
            OSError: as for `save`.
        """
        text = self.card.text if "text" in self.model.modalities else None
        encoder = text.encoder if text is not None and text.way == "frozen" else None
        if encoder is not None:
            refuse_changed(encoder)
        with _written_whole(folder) as unfinished:
            self._write(unfinished)
            if encoder is not None:
                copy_encoder(encoder, unfinished / TEXT_ENCODER_FOLDER)

    def _write(self, folder: Path) -> None:
        (folder / CONFIG_FILE).write_text(self.config.to_yaml(), encoding="utf-8")
        card = self.card.model_dump_json(indent=2, by_alias=True)
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        save_file(self.model.state_dict(), folder / WEIGHTS_FILE)
        if self.model.text_encoder is not None:
            self.model.text_encoder.describe(folder / TEXT_ENCODER_FOLDER)

    @classmethod
    def load(cls, folder: Path) -> "TrainedModel":
        """Read a model that `save` or `export` wrote.

        Raises:
            FileNotFoundError: when one of its three files is missing.
        """
        config = Config.from_yaml((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        card = ModelCard.model_validate_json((folder / CARD_FILE).read_text(encoding="utf-8"))
        learned = card.text is not None and card.text.way == "finetune"
        text_encoder = None
        if learned and "text" in config.model.used_modalities:
            text_encoder = TextEncoder.untrained(folder / TEXT_ENCODER_FOLDER)
        model = DLF(config.model, card.sizes, text_encoder)
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
        return cls(model, config, card)


@contextmanager
def _written_whole(folder: Path) -> Iterator[Path]:
    try:
        with folder_replaced_whole(folder) as unfinished:
            yield unfinished
    except SafetensorError as error:
        raise OSError(f"the model {folder} cannot be written: {one_line(error)}") from error
