"""Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019) by torch's own fused step.

Torch's classes load its compiler as soon as one is built: some 70 MB of every worker process, which
no training of ours uses. Its function that makes the step does not.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS, EPSILON = (0.9, 0.999), 1e-8


class _Moments(NamedTuple):
    """What is kept of one parameter."""

    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor


class FusedAdam(torch.optim.Optimizer):
    """An optimiser over groups of parameters, each with its own rate, for torch's schedules."""

    def __init__(
        self,
        groups: list[tuple[list[nn.Parameter], float]],
        *,
        weight_decay: float,
        decoupled: bool,
    ) -> None:
        """Prepare the moments of every parameter, which has its gradient already.

        Args:
            groups: the parameters and the learning rate of each group.
            weight_decay: of all of them.
            decoupled: whether it shrinks the parameters (AdamW) or adds to their gradients (Adam).
        """
        # The base class's own constructor is what loads the compiler.
        self.param_groups = [{"params": parameters, "lr": rate} for parameters, rate in groups]
        self._weight_decay = weight_decay
        self._decoupled = decoupled
        self._moments = [
            [
                _Moments(torch.zeros((), device=x.device), torch.zeros_like(x), torch.zeros_like(x))
                for x in parameters
            ]
            for parameters, _ in groups
        ]

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Move every parameter by its gradient."""
        for group, moments in zip(self.param_groups, self._moments, strict=True):
            parameters = group["params"]
            adam(
                parameters,
                [parameter.grad for parameter in parameters],
                [each.exp_avg for each in moments],
                [each.exp_avg_sq for each in moments],
                [],
                [each.step for each in moments],
                fused=True,
                decoupled_weight_decay=self._decoupled,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=group["lr"],
                weight_decay=self._weight_decay,
                eps=EPSILON,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the rates and the moments, in the order of the parameters."""
        moments = [each for group in self._moments for each in group]
        return {
            "rates": [group["lr"] for group in self.param_groups],
            "state": {i: each._asdict() for i, each in enumerate(moments)},
        }

    def scale_gradients(self, factor: float) -> None:
        """Let the moments be those of gradients that were larger by a factor all along."""
        for each in (each for group in self._moments for each in group):
            each.exp_avg.mul_(factor)
            each.exp_avg_sq.mul_(factor**2)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the rates and the moments of an optimiser of the same parameters."""
        for group, rate in zip(self.param_groups, state_dict["rates"], strict=True):
            group["lr"] = rate
        moments = [each for group in self._moments for each in group]
        for own, others in zip(moments, state_dict["state"].values(), strict=True):
            for name, tensor in own._asdict().items():
                tensor.copy_(others[name])
