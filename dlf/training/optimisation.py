"""The recipe at work: what a batch of clips does to the parameters of a model.

A step reads no value back from the device, so that a GPU is never waited for.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlf.config import Config
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.model.dlf import DLF
from dlf.training.adam import FusedAdam
from dlf.training.batching import Batch
from dlf.training.precision import autocast


class Learned(NamedTuple):
    """What a batch was like, before it was learned from."""

    losses: Tensor
    """[6], in the order of `LossTerms`"""
    predictions: Tensor
    """[B], with dropout"""


class Optimisation:
    """An optimiser, its accumulated gradients, and the schedule of its learning rate."""

    def __init__(self, model: DLF, config: Config, device: str) -> None:
        self.model = model
        self.config = config
        self.device = device
        self._gradients = _flat_gradients(model)
        self._steps = 0
        self._warm_up_steps = 0
        self._weights = LossWeights.of(config.loss, torch.device(device))
        self._optimizer = _optimizer(model, config)
        self._schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._optimizer,
            factor=config.training.plateau_factor,
            patience=config.training.plateau_patience,
        )
        self._accumulation = config.training.accumulation
        self._waiting = 0
        self._forward: Callable[[Batch], tuple[LossTerms, Tensor]] = self._losses_of
        if config.training.compiled:
            # What was compiled for other configurations counts against a limit, beyond which
            # nothing is compiled any more.
            torch.compiler.reset()
            self._forward = torch.compile(self._losses_of)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._optimizer.param_groups[0]["lr"] = rate

    def begin_epoch(self, batches: int) -> None:
        """Forget the gradients that made no step, as the released code does.

        An epoch of fewer batches than make a step makes one step of them all.
        """
        self.model.train()
        self._gradients.zero_()
        self._accumulation = min(self.config.training.accumulation, batches)
        steps = batches // self._accumulation
        self._warm_up_steps = round(self.config.finetuning.text_warm_up * steps)
        self._waiting = 0

    def learn(self, batch: Batch) -> Learned:
        """Add the gradients of a batch, clip their sum, and step when enough have come together."""
        with autocast(self.config, self.device):
            terms, predictions = self._forward(batch)
        terms.total.backward()
        self._clip()
        self._waiting += 1
        if self._waiting == self._accumulation:
            self._set_text_rate()
            self._optimizer.step()
            self._steps += 1
            self._gradients.zero_()
            self._waiting = 0
        return Learned(torch.stack(terms).detach(), predictions.detach().float())

    def end_epoch(self, mae: float) -> None:
        """Lower the learning rate when the validation error has been on a plateau."""
        self._schedule.step(mae)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, between two epochs."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "steps": self._steps,
            "accumulation": self.config.training.accumulation,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._steps = state["steps"]
        self._optimizer.scale_gradients(self.config.training.accumulation / state["accumulation"])

    def _losses_of(self, batch: Batch) -> tuple[LossTerms, Tensor]:
        """Return the losses of a batch, and its predictions [B]."""
        outputs = self.model(batch.inputs, self.config.regularisers)
        return loss_terms(outputs, batch.labels, self._weights, self.config), outputs.prediction

    def _set_text_rate(self) -> None:
        """Let the text encoder's rate rise at first, and fall on a plateau as the model's does."""
        main, *text = self._optimizer.param_groups
        plateaus = main["lr"] / self.config.training.learning_rate
        risen = min(1.0, (self._steps + 1) / max(1, self._warm_up_steps))
        for group in text:
            group["lr"] = self.config.finetuning.text_learning_rate * plateaus * risen

    def _clip(self) -> None:
        recipe = self.config.training
        if recipe.clipping == "value":
            self._gradients.clamp_(-recipe.clip_at, recipe.clip_at)
        elif recipe.clipping == "norm":
            norm = torch.linalg.vector_norm(self._gradients)
            self._gradients.mul_((recipe.clip_at / (norm + 1e-6)).clamp(max=1.0))


def _flat_gradients(model: DLF) -> Tensor:
    """Give every parameter a part of one tensor as its gradient, and return that tensor.

    Hundreds of small gradients are so cleared and clipped in one operation.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sizes = [parameter.numel() for parameter in parameters]
    flat = torch.zeros(sum(sizes), device=parameters[0].device)
    for parameter, part in zip(parameters, flat.split(sizes), strict=True):
        parameter.grad = part.view_as(parameter)
    return flat


def _optimizer(model: DLF, config: Config) -> FusedAdam:
    recipe = config.training
    parts: list[list[nn.Parameter]] = [[], []]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parts[name.startswith("text_encoder.")].append(parameter)
    rates = (recipe.learning_rate, config.finetuning.text_learning_rate)
    return FusedAdam(
        [(part, rate) for part, rate in zip(parts, rates, strict=True) if part],
        weight_decay=recipe.weight_decay,
        decoupled=recipe.optimizer == "adamw",
    )
