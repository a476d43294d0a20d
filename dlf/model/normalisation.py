"""Features brought to one scale: none is a thousand times as loud as another only by its unit."""

import torch
from torch import Tensor, nn

from dlf.modalities import Statistics

WIDELY_APART = 100.0
"""between the largest and the smallest deviation of a modality's features: worth normalising"""

ROUNDING = 1e-6
"""of its mean: a feature that deviates less never varies, and was only rounded to float32"""


def widely_apart(ratio: float) -> bool:
    """Tell whether the scales of a modality are so far apart that it is normalised by default."""
    return ratio > WIDELY_APART


def scale_ratio(statistics: Statistics) -> float:
    """Return the largest deviation over the smallest one, of the features that vary at all."""
    varying = [deviation for deviation in _varying(statistics) if deviation is not None]
    return max(varying) / min(varying) if varying else 1.0


class Normalisation(nn.Module):
    """Subtracts the mean and divides by the deviation, feature by feature.

    A step of zeros stays one: it is padding, an absent modality or a frame without a face, and zero
    is the mean of what is normalised. A feature that never varies is only shifted to zero.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        scale = [1 / deviation if deviation else 1.0 for deviation in _varying(statistics)]
        self.register_buffer("mean", torch.tensor(statistics.mean), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Normalise [B, T, width]."""
        there = (values != 0).any(dim=2, keepdim=True)
        return (values - self.mean) * self.scale * there


def _varying(statistics: Statistics) -> list[float | None]:
    """Return every deviation, and none for a feature that never varies."""
    return [
        deviation if deviation > ROUNDING * abs(mean) else None
        for mean, deviation in zip(statistics.mean, statistics.deviation, strict=True)
    ]
