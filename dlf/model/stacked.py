"""Linear layers and norms of several networks at once: their parameters are stacked.

Every module holds N members of one shape and applies member n to row n of its input, or only those
`members` that the input has rows for. One batched product replaces N small ones.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlf.model.steps import Members


class StackedLinear(nn.Module):
    """N linear layers, initialised as `torch.nn.Linear` is."""

    def __init__(self, members: int, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs)) if bias else None
        bound = 1 / math.sqrt(inputs)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, values: Tensor, members: Members = None) -> Tensor:
        """Map [N, R, inputs] to [N, R, outputs]."""
        weight, *bias = self.chosen(members)
        return torch.baddbmm(bias[0], values, weight) if bias else torch.bmm(values, weight)

    def chosen(self, members: Members) -> list[Tensor]:
        """Return the weight, and the bias if there is one, of some members."""
        return _chosen([self.weight] if self.bias is None else [self.weight, self.bias], members)


def xavier_linear(members: int, inputs: int, outputs: int) -> StackedLinear:
    """Return N linear layers with Xavier's weights and no bias to begin with."""
    linear = StackedLinear(members, inputs, outputs)
    for member in linear.weight:
        nn.init.xavier_uniform_(member)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


class StackedNorm(nn.Module):
    """N layer norms."""

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, width))
        self.bias = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, values: Tensor, members: Members = None) -> Tensor:
        """Normalise [N, R, width] over its last axis."""
        weight, bias = self.chosen(members)
        return torch.addcmul(bias, F.layer_norm(values, values.shape[-1:]), weight)

    def chosen(self, members: Members) -> list[Tensor]:
        """Return the weight and the bias of some members."""
        return _chosen([self.weight, self.bias], members)


def _chosen(parameters: list[nn.Parameter], members: Members) -> list[Tensor]:
    return [p if members is None else p[members] for p in parameters]
