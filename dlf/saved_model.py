"""A trained model as a folder: configuration, weights, and the facts needed to use it anywhere."""

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from torch import Tensor

from dlf.config import Config
from dlf.metrics import Metrics
from dlf.modalities import InputSizes
from dlf.model import DLF

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"


class ModelCard(BaseModel):
    """Where a model comes from, and what it takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    dataset_digest: str
    sizes: InputSizes
    seed: int
    epochs: int
    """the epoch whose weights these are"""
    valid: Metrics


class SavedModel(NamedTuple):
    """A model as it was saved."""

    model: DLF
    config: Config
    card: ModelCard


def save_model(folder: Path, config: Config, weights: dict[str, Tensor], card: ModelCard) -> None:
    """Write a model into `folder`, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(config.to_yaml(), encoding="utf-8")
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2), encoding="utf-8")
    save_file(weights, folder / WEIGHTS_FILE)


def load_model(folder: Path) -> SavedModel:
    """Read a model that `save_model` wrote, ready to predict.

    Raises:
        FileNotFoundError: when one of the three files is missing.
    """
    config = Config.from_yaml((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    card = ModelCard.model_validate_json((folder / CARD_FILE).read_text(encoding="utf-8"))
    model = DLF(config.model, card.sizes)
    model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    model.eval()
    return SavedModel(model, config, card)
