"""The convolution that brings a modality, normalised if need be, to the width of the model."""

from typing import Literal

import torch
from torch import nn

from dlf.modalities import Statistics
from dlf.model.dropout import Dropout
from dlf.model.normalisation import Normalisation
from dlf.model.steps import Features, padded_to, valid_steps


class Projection(nn.Module):
    """A convolution over time, without bias; none at all for features of the model's own width."""

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        kernel: int,
        longest: int,
        dropout: float,
        padding: Literal["masked", "reference"],
        statistics: Statistics | None = None,
    ) -> None:
        super().__init__()
        self.normalisation = None if statistics is None else Normalisation(statistics)
        self.convolution = (
            None if inputs == width else nn.Linear(kernel * inputs, width, bias=False)
        )
        self.kernel = 1 if inputs == width else kernel
        self.longest = longest
        self.steps = max(1, longest - self.kernel + 1)
        self.dropout = Dropout([dropout])
        self.padding = padding

    def forward(self, features: Features) -> Features:
        """Map [B, T, inputs] to [B, T - kernel + 1, width], at least one step.

        With masked padding a sequence of n steps comes out with max(1, n - kernel + 1); with
        reference padding every step counts.
        """
        values, lengths = features
        if self.padding == "reference":
            lengths = torch.full_like(lengths, values.shape[1])
        else:
            values = values[:, : self.longest]
            values = values * valid_steps(lengths, values.shape[1])[:, :, None]
        if self.normalisation is not None:
            values = self.normalisation(values)
        values = self.dropout(values, self.training)
        if self.convolution is None:
            return Features(values, lengths)
        values = padded_to(values, max(values.shape[1], self.kernel))
        windows = values.unfold(1, self.kernel, 1).transpose(2, 3).flatten(2)
        return Features(self.convolution(windows), (lengths - self.kernel + 1).clamp(min=1))
