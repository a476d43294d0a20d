"""What a trained model says of every clip of a split, in the order of the split."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlf.config import Config
from dlf.model.dlf import DLF, Inputs
from dlf.training.batching import Clips
from dlf.training.precision import autocast, products_of


class Levels(NamedTuple):
    """What a model predicts of N clips."""

    prediction: NDArray[np.float32]
    """[N], the model's answer"""
    specific: NDArray[np.float32] | None
    """[M, N], by each modality alone; none of a model without hierarchy"""


def predict(model: DLF, clips: Clips, config: Config) -> NDArray[np.float32]:
    """Return the predicted sentiment [N] of every clip."""
    return _of_every_clip(model, model.predict, clips, config)


def predict_levels(model: DLF, clips: Clips, config: Config) -> Levels:
    """Return the predicted sentiment of every clip, and that by each modality alone."""

    def read(inputs: Inputs) -> Tensor:
        prediction, specific = model.predict_levels(inputs)
        rows = prediction[None]
        return (rows if specific is None else torch.cat([rows, specific])).T

    found = _of_every_clip(model, read, clips, config).T
    return Levels(found[0], found[1:] if config.model.hierarchical else None)


def represent(model: DLF, clips: Clips, config: Config) -> NDArray[np.float32]:
    """Return the fused representation [N, F] of every clip; see `DLF.represent`."""
    return _of_every_clip(model, model.represent, clips, config)


@torch.inference_mode()
def _of_every_clip(
    model: DLF, read: Callable[[Inputs], Tensor], clips: Clips, config: Config
) -> NDArray[np.float32]:
    model.eval()
    orders = clips.in_order_of_length()
    with products_of(config), autocast(config, clips.device.type):
        found = torch.cat([read(batch.inputs) for batch in clips.batches(orders)])
    in_order = torch.empty(found.shape)
    in_order[np.concatenate(orders)] = found.float().cpu()
    return in_order.numpy()
