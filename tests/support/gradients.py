"""The losses of one training step, and the gradients of all parameters."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlf.config import Config
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.model.dlf import DLF, Inputs


def terms_of(model: DLF, inputs: Inputs, labels: Tensor, config: Config) -> LossTerms:
    """Return the losses of a batch, as the training does."""
    weights = LossWeights.of(config.loss, torch.device("cpu"))
    return loss_terms(model(inputs, config.regularisers), labels, weights, config)


def gradients_of(model: DLF, loss: Tensor) -> dict[str, Tensor]:
    """Return the gradient of every parameter, zero where the loss does not depend on it."""
    named = dict(model.named_parameters())
    found: Sequence[Tensor] = torch.autograd.grad(
        loss, list(named.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(named, found, strict=True))
