"""The feature disentanglement module (FDM): what is a modality's own, and what all have in common.

Only what a regulariser in use reads is computed.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlf.config import ModelConfig, Regularisers
from dlf.modalities import Modality
from dlf.model.encoder import encoders_of
from dlf.model.stacked import StackedLinear
from dlf.model.steps import Sequences, Steps, separate, with_members


class Disentangled(NamedTuple):
    """The features of a batch, taken apart."""

    projected: Sequences
    """the convolved features, which the reconstruction aims at"""
    specific: Sequences
    """what is a modality's own"""
    shared: Sequences
    """what it has in common with the others"""
    reconstructed: Sequences | None
    """the projected features, rebuilt from specific and shared"""
    respecified: Sequences | None
    """the specific encoders' reading of the reconstruction"""
    aligned: Tensor | None
    """[M, B, width], the shared features of all steps in one vector, for the margin loss"""
    summary: Tensor
    """[M, B, width], the shared features read to their end, for the predictions"""


class Disentanglement(nn.Module):
    """The specific encoders, the shared encoder, and what keeps the two apart."""

    def __init__(self, config: ModelConfig, steps: dict[Modality, int]) -> None:
        """Build for modalities whose longest projected sequences have so many `steps`."""
        super().__init__()
        modalities, width, layers = list(steps), config.width, config.encoder_layers
        self.specific = encoders_of(config, layers, modalities)
        self.shared = encoders_of(config, layers, ["text"])
        self.summaries = encoders_of(config, layers, modalities)
        self.reconstructions = StackedLinear(len(steps), 2 * width, width, bias=False)
        self.alignments = nn.ModuleList(nn.Linear(t * width, width) for t in steps.values())

    def forward(self, projected: Sequences, regularisers: Regularisers) -> Disentangled:
        """Take projected features apart, and compute what the regularisers in use read."""
        specific = self.specific.encode(projected)
        shared = self._encode_shared(projected)
        reconstructed = respecified = aligned = None
        if regularisers.reconstruction or regularisers.specific:
            reconstructed = self._reconstruct(specific, shared)
        if regularisers.specific and reconstructed is not None:
            respecified = self.specific.encode(reconstructed)
        if regularisers.margin:
            aligned = self._align(shared)
        summary = self.summaries.summarise(shared)
        return Disentangled(
            projected, specific, shared, reconstructed, respecified, aligned, summary
        )

    def _encode_shared(self, projected: Sequences) -> Sequences:
        """Encode all modalities of a stack in one pass of the one encoder."""
        found = []
        for values, lengths in projected:
            encoded = self.shared(Steps(values.flatten(0, 1)[None], lengths.flatten()[None]))
            found.append(Steps(encoded.values.view(values.shape), lengths))
        return tuple(found)

    def _reconstruct(self, specific: Sequences, shared: Sequences) -> Sequences:
        found = []
        for (own, members), common in zip(with_members(specific), shared, strict=True):
            both = torch.cat([own.values, common.values], dim=-1)
            rebuilt = self.reconstructions(both.flatten(1, 2), members)
            found.append(Steps(rebuilt.view(own.values.shape), own.lengths))
        return tuple(found)

    def _align(self, shared: Sequences) -> Tensor:
        """Flatten time into one vector per clip.

        The weights are those of the longest sequence; a shorter batch uses the first steps of them.
        """
        found = []
        for alignment, steps in zip(self.alignments, separate(shared), strict=True):
            assert isinstance(alignment, nn.Linear)
            valid = (steps.values * steps.mask()[..., None])[0].flatten(1)
            used = min(valid.shape[1], alignment.in_features)
            found.append(F.linear(valid[:, :used], alignment.weight[:, :used], alignment.bias))
        return torch.stack(found)
