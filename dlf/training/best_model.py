"""The model of a training: the weights of its best epoch, with their card."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from dlf.config import Config
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.text.finetuned import untrained_encoder
from dlf.text.source import TextSource
from dlf.trained_model import ModelCard, TrainedModel
from dlf.training.training import EpochRecord


def best_model(
    config: Config,
    weights: Mapping[str, Tensor],
    history: Sequence[EpochRecord],
    *,
    seed: int,
    sizes: InputSizes,
    dataset: str,
    dataset_digest: str,
    text: TextSource,
) -> TrainedModel:
    """Return a model on the CPU.

    Args:
        config: of the training.
        weights: of its best epoch.
        history: the record of every epoch.
        seed: of the training.
        sizes: what the model knows of its data.
        dataset: what it was trained on.
        dataset_digest: which version of it.
        text: where its text features come from.
    """
    model = DLF(config.model, sizes, untrained_encoder(text))
    model.load_state_dict(weights)
    best = history[history[-1].best_epoch - 1]
    card = ModelCard(
        dataset=dataset,
        dataset_digest=dataset_digest,
        text=text,
        sizes=sizes,
        seed=seed,
        epoch=best.epoch,
        valid=best.valid,
    )
    return TrainedModel(model, config, card)
