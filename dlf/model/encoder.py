"""The transformer encoder that DLF builds everything from, for self- and cross-attention.

Pre-norm layers, causal attention, sinusoidal positions (equation 11 of the paper, with the norms
first, as in the released implementation). Encoders of one shape are stacked.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlf.config import ModelConfig
from dlf.modalities import Modality
from dlf.model.attention import padded_steps
from dlf.model.dropout import Dropout
from dlf.model.layer import LayerMasks, LayerWeights, run_layer
from dlf.model.stacked import StackedNorm, xavier_linear
from dlf.model.steps import Members, Sequences, Steps, valid_steps, with_members


class EncoderDropouts(NamedTuple):
    """The dropout rates inside a stack of encoders."""

    embedding: float
    attention: Sequence[float]
    """one for each encoder"""
    relu: float
    residual: float


class Encoders(nn.Module):
    """N encoders of one shape; encoder n reads row n of a stack [N, B, T, width]."""

    def __init__(self, width: int, heads: int, layers: int, dropouts: EncoderDropouts) -> None:
        super().__init__()
        members = len(dropouts.attention)
        self.embedding_dropout = Dropout([dropouts.embedding])
        self.layers = nn.ModuleList(EncoderLayer(width, heads, dropouts) for _ in range(layers))
        self.norm = StackedNorm(members, width)

    def encode(self, sequences: Sequences) -> Sequences:
        """Encode sequences, every encoder its own."""
        return tuple(self(stack, None, members) for stack, members in with_members(sequences))

    def summarise(self, sequences: Sequences) -> Tensor:
        """Encode sequences as `encode` does, but return only the last steps [N, B, width]."""
        found = [
            self(stack, None, members, last_only=True).values
            for stack, members in with_members(sequences)
        ]
        return torch.cat(found).squeeze(2)

    def forward(
        self,
        query: Steps,
        memory: Steps | None = None,
        members: Members = None,
        *,
        last_only: bool = False,
    ) -> Steps:
        """Encode `query` [n, B, Tq, width], attending to `memory` [n, B, Tk, width] or to itself.

        A query at step i sees the keys up to i plus the difference of the two lengths, so no valid
        step ever sees padding, and a valid output does not depend on how far a batch is padded.

        Args:
            query: the sequences to encode.
            memory: the sequences to attend to.
            members: the encoders to which the rows of the sequences belong.
            last_only: return the last valid step [n, B, 1, width] of each sequence, and compute no
                more of the last layer than that; only without memory.
        """
        shape = query.values.shape
        batch = shape[1]
        hidden = self._embed(query.values)
        keys = values = None
        bias = _causal(shape[2], hidden.device)
        if memory is not None:
            keys = self._embed(memory.values)
            if self.embedding_dropout.applies(self.training):
                values = self._embed(memory.values)
            bias = _causal_across(query, memory)
        *layers, last = self.layers
        for layer in layers:
            hidden = layer(hidden, keys, values, bias, batch, members)
        lengths = query.lengths
        if last_only:
            keys = hidden
            bias = _hiding(~valid_steps(lengths, padded_steps(shape[2], hidden.device)))
            hidden = Steps(hidden.view(shape), lengths).last().flatten(1, 2)
            lengths = torch.ones_like(lengths)
        normed = self.norm(last(hidden, keys, values, bias, batch, members), members)
        return Steps(normed.view(*shape[:2], -1, shape[3]), lengths)

    def _embed(self, values: Tensor) -> Tensor:
        """Return [n, B * T, width]."""
        embedded = torch.add(positions_of(values), values, alpha=math.sqrt(values.shape[-1]))
        return self.embedding_dropout(embedded.flatten(1, 2), self.training)


class EncoderLayer(nn.Module):
    """Multi-head attention and a feed-forward net of four times the width, each with a residual."""

    def __init__(self, width: int, heads: int, dropouts: EncoderDropouts) -> None:
        super().__init__()
        members = len(dropouts.attention)
        self.heads = heads
        self.attention_dropout = Dropout(dropouts.attention)
        self.relu_dropout = Dropout([dropouts.relu])
        self.residual_dropout = Dropout([dropouts.residual])
        self.attention_input = xavier_linear(members, width, 3 * width)
        self.attention_output = xavier_linear(members, width, width)
        self.attention_norm = StackedNorm(members, width)
        self.expand = xavier_linear(members, width, 4 * width)
        self.contract = xavier_linear(members, 4 * width, width)
        self.feed_forward_norm = StackedNorm(members, width)

    def forward(
        self,
        hidden: Tensor,
        keys: Tensor | None,
        values: Tensor | None,
        bias: Tensor,
        batch: int,
        members: Members,
    ) -> Tensor:
        """Return the next hidden state [n, B * Tq, width], as `run_layer` does."""
        n, rows, width = hidden.shape
        scores = (n, batch * self.heads, *bias.shape[-2:])
        attention = self.attention_dropout.mask(scores, hidden.device, self.training, members)
        residual = partial(self.residual_dropout.mask, hidden.shape, hidden.device, self.training)
        masks = LayerMasks(
            attention=None if attention is None else attention.flatten(0, 1),
            attended=residual(),
            expanded=self.relu_dropout.mask((n, rows, 4 * width), hidden.device, self.training),
            contracted=residual(),
        )
        modules = (
            self.attention_norm,
            self.attention_input,
            self.attention_output,
            self.feed_forward_norm,
            self.expand,
            self.contract,
        )
        weights = LayerWeights(*(p for module in modules for p in module.chosen(members)))
        return run_layer(hidden, keys, values, bias, masks, weights, batch, self.heads)


def encoders_of(config: ModelConfig, layers: int, dropouts_of: Sequence[Modality]) -> Encoders:
    """Return one encoder for each of `dropouts_of`, with the attention dropout of that modality."""
    dropouts = EncoderDropouts(
        embedding=config.embedding_dropout,
        attention=[config.attention_dropout(modality) for modality in dropouts_of],
        relu=config.relu_dropout,
        residual=config.residual_dropout,
    )
    return Encoders(config.width, config.heads, layers, dropouts)


def positions_of(values: Tensor) -> Tensor:
    """Return the sinusoidal positions of `values` [..., T, width], in the same shape.

    They are at least float32, and so is the hidden state that they are added to.
    Positions count from 1; all sines come before all cosines. A step whose first channel is exactly
    zero has the zero vector as its position: so the released implementation marks padding.
    """
    steps, width = values.shape[-2:]
    half = width // 2
    frequencies = torch.exp(
        torch.arange(half, device=values.device) * (-math.log(10000.0) / (half - 1))
    )
    angles = torch.arange(1, steps + 1, device=values.device)[:, None] * frequencies
    table = torch.cat([angles.sin(), angles.cos(), angles.new_zeros(steps, width % 2)], dim=1)
    precision = torch.promote_types(values.dtype, torch.float32)
    return table.to(precision) * (values[..., :1] != 0)


def _causal(steps: int, device: torch.device) -> Tensor:
    """Return the bias [padded T, padded T] that hides the keys later than their query."""
    steps = padded_steps(steps, device)
    return torch.full((steps, steps), -torch.inf, device=device).triu(1)


def _causal_across(query: Steps, memory: Steps) -> Tensor:
    """Return the bias [n * B, 1, padded Tq, padded Tk] that hides the keys of another sequence."""
    device = memory.lengths.device
    keys = torch.arange(padded_steps(memory.values.shape[2], device), device=device)
    queries = torch.arange(padded_steps(query.values.shape[2], device), device=device)[:, None]
    offset = (memory.lengths - query.lengths).abs()[:, :, None, None]
    return _hiding((keys > queries + offset) | (keys >= memory.lengths[:, :, None, None]))


def _hiding(hidden: Tensor) -> Tensor:
    """Return a bias that hides keys: [n * B, 1, 1 or Tq, Tk] from [n, B, (Tq,) Tk]."""
    bias = torch.zeros(hidden.shape, device=hidden.device).masked_fill_(hidden, -torch.inf)
    return bias.view(hidden.shape[0] * hidden.shape[1], 1, -1, hidden.shape[-1])
