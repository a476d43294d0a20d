"""Dropout that is cheap on a CPU: every random draw of 64 bits decides over eight entries."""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from dlf.model.steps import Members

LEVELS = 256
"""a rate is rounded to one of them, and what is kept scaled accordingly, so that means are exact"""


class Dropout:
    """Zeroes entries of training batches; each of several rates is of one row of the first axis."""

    def __init__(self, rates: Sequence[float]) -> None:
        self.levels = tuple(min(round(rate * LEVELS), LEVELS - 1) for rate in rates)

    def applies(self, training: bool, members: Members = None) -> bool:
        """Whether anything would be dropped."""
        return training and any(self.levels if members is None else self.levels[members])

    def __call__(self, values: Tensor, training: bool, members: Members = None) -> Tensor:
        """Return `values` [N, ...] with some entries zeroed and the rest scaled up."""
        mask = self.mask(values.shape, values.device, training, members)
        return values if mask is None else values * mask.to(values.dtype)

    def mask(
        self,
        shape: Sequence[int],
        device: torch.device,
        training: bool,
        members: Members = None,
    ) -> Tensor | None:
        """Return factors of a shape [N, ...], zero where dropped; none when nothing is."""
        if not self.applies(training, members):
            return None
        levels = self.levels if members is None else self.levels[members]
        count = math.prod(shape)
        if torch.compiler.is_compiling():
            # The compiler makes one kernel of this, and cannot trace what is cheap without it.
            below = torch.tensor(levels, device=device)[:, None]
            random = torch.randint(LEVELS, (len(levels), count // len(levels)), device=device)
            return ((random >= below) * (LEVELS / (LEVELS - below))).view(shape)
        draws = torch.empty((count + 7) // 8, dtype=torch.int64, device=device)
        rows = draws.random_(-(2**63), None).view(torch.uint8)[:count].view(len(levels), -1)
        dropped_below, scale = _constants(levels, device)
        kept = torch.ge(rows, dropped_below, out=torch.empty(rows.shape, device=device))
        return kept.mul_(scale).view(shape)


@cache
def _constants(levels: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return, per row, the level from which on an entry is kept, and the scale of what is kept."""
    with torch.inference_mode(False):
        below = torch.tensor(levels, dtype=torch.uint8, device=device)
        scale = LEVELS / (LEVELS - below.float())
        return below[:, None], scale[:, None]
