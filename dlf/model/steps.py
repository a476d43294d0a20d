"""Sequences as the model holds them: several of one shape stacked, so that one product serves all.

A stack holds the sequences of one or more modalities. Where all modalities of a batch are about as
long, they share one stack; where one is much longer (unaligned data), each has a stack of its own.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

WORTH_STACKING = 1.5
"""the padded steps that a common stack may have, in multiples of the steps of separate ones"""


class Features(NamedTuple):
    """One modality of a batch of clips, padded on the right to one length."""

    values: Tensor
    """[B, T, feature width]"""
    lengths: Tensor
    """[B], valid steps per clip, at least 1"""


class Steps(NamedTuple):
    """A stack of N batches of sequences, padded on the right to one length."""

    values: Tensor
    """[N, B, T, width]"""
    lengths: Tensor
    """[N, B], valid steps per sequence, at least 1"""

    def mask(self) -> Tensor:
        """Return [N, B, T], true on the valid steps."""
        return valid_steps(self.lengths, self.values.shape[2])

    def last(self) -> Tensor:
        """Return [N, B, 1, width], the last valid step of every sequence."""
        index = (self.lengths - 1)[:, :, None, None]
        return self.values.gather(2, index.expand(-1, -1, 1, self.values.shape[3]))

    def unstacked(self) -> list["Steps"]:
        """Return N stacks of one."""
        return [Steps(self.values[i, None], self.lengths[i, None]) for i in range(len(self.values))]


Sequences = tuple[Steps, ...]
"""Stacks that hold, one after the other, the sequences of all modalities in their order."""

Members = slice | None
"""which members of stacked parameters a stack belongs to; none for all of them"""


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """Return [..., steps], true where a step lies within a sequence's length [...]."""
    return torch.arange(steps, device=lengths.device) < lengths[..., None]


def padded_to(values: Tensor, steps: int) -> Tensor:
    """Return `values` [B, T, width] padded with zeros to [B, steps, width]."""
    missing = steps - values.shape[1]
    return F.pad(values, (0, 0, 0, missing)) if missing else values


def with_members(sequences: Sequences) -> list[tuple[Steps, Members]]:
    """Return each stack with the members that it belongs to."""
    if len(sequences) == 1:
        return [(sequences[0], None)]
    found: list[tuple[Steps, Members]] = []
    start = 0
    for stack in sequences:
        stop = start + len(stack.values)
        found.append((stack, slice(start, stop)))
        start = stop
    return found


def separate(sequences: Sequences) -> list[Steps]:
    """Return a stack of one for every modality."""
    return [single for stack in sequences for single in stack.unstacked()]


def stacked(modalities: Iterable[Features]) -> Sequences:
    """Stack modalities of one width together, or each alone where that would be mostly padding."""
    each = list(modalities)
    steps = [features.values.shape[1] for features in each]
    longest = max(steps)
    if longest * len(each) > WORTH_STACKING * sum(steps):
        return tuple(Steps(values[None], lengths[None]) for values, lengths in each)
    values = [padded_to(x, longest) for x, _ in each]
    return (Steps(torch.stack(values), torch.stack([lengths for _, lengths in each])),)
