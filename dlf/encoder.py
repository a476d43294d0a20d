"""The transformer encoder that DLF builds everything from, for self- and cross-attention.

Pre-norm layers, causal attention, sinusoidal positions (equation 11 of the paper, with the norms
first, as in the released implementation).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Steps(NamedTuple):
    """A batch of sequences, padded on the right to one length."""

    values: Tensor
    """[B, T, width]"""
    lengths: Tensor
    """[B], valid steps per sequence, at least 1"""

    def mask(self) -> Tensor:
        """Return [B, T], true on the valid steps."""
        positions = torch.arange(self.values.shape[1], device=self.values.device)
        return positions < self.lengths[:, None]

    def last(self) -> Tensor:
        """Return [B, width], the last valid step of every sequence."""
        index = (self.lengths - 1)[:, None, None].expand(-1, 1, self.values.shape[2])
        return self.values.gather(1, index).squeeze(1)


class EncoderDropouts(NamedTuple):
    """The dropout rates inside an encoder."""

    embedding: float
    attention: float
    relu: float
    residual: float


class Encoder(nn.Module):
    """A stack of layers over one sequence, or over a query sequence that looks at another one."""

    def __init__(self, width: int, heads: int, layers: int, dropouts: EncoderDropouts) -> None:
        super().__init__()
        self.embedding_dropout = dropouts.embedding
        self.layers = nn.ModuleList(EncoderLayer(width, heads, dropouts) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, query: Steps, memory: Steps | None = None) -> Steps:
        """Encode `query` [B, Tq, width], attending to `memory` [B, Tk, width] or to itself.

        A query at step i sees the keys up to i plus the difference of the two lengths, so no valid
        step ever sees padding, and a valid output does not depend on how far a batch is padded.
        """
        hidden = self._embed(query.values)
        if memory is None:
            visible = _causal(query.values)
            for layer in self.layers:
                hidden = layer(hidden, None, None, visible)
        else:
            keys, values = self._embed(memory.values), self._embed(memory.values)
            visible = _causal_across(query, memory)
            for layer in self.layers:
                hidden = layer(hidden, keys, values, visible)
        return Steps(self.norm(hidden), query.lengths)

    def _embed(self, values: Tensor) -> Tensor:
        embedded = math.sqrt(values.shape[-1]) * values + positions_of(values)
        return F.dropout(embedded, self.embedding_dropout, self.training)


class EncoderLayer(nn.Module):
    """Multi-head attention and a feed-forward net of four times the width, each with a residual."""

    def __init__(self, width: int, heads: int, dropouts: EncoderDropouts) -> None:
        super().__init__()
        self.heads = heads
        self.dropouts = dropouts
        self.attention_input = _xavier_linear(width, 3 * width)
        self.attention_output = _xavier_linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.expand = _xavier_linear(width, 4 * width)
        self.contract = _xavier_linear(4 * width, width)
        self.feed_forward_norm = nn.LayerNorm(width)

    def forward(
        self, hidden: Tensor, keys: Tensor | None, values: Tensor | None, visible: Tensor
    ) -> Tensor:
        """Return the next hidden state [B, Tq, width]; without keys a step attends to its own."""
        attended = self._attend(hidden, keys, values, visible)
        hidden = hidden + F.dropout(attended, self.dropouts.residual, self.training)
        expanded = F.relu(self.expand(self.feed_forward_norm(hidden)))
        contracted = self.contract(F.dropout(expanded, self.dropouts.relu, self.training))
        return hidden + F.dropout(contracted, self.dropouts.residual, self.training)

    def _attend(
        self, hidden: Tensor, keys: Tensor | None, values: Tensor | None, visible: Tensor
    ) -> Tensor:
        normed = self.attention_norm(hidden)
        if keys is None or values is None:
            query, key, value = self.attention_input(normed).chunk(3, dim=-1)
        else:
            weights = self.attention_input.weight.chunk(3)
            biases = self.attention_input.bias.chunk(3)
            query = F.linear(normed, weights[0], biases[0])
            key = F.linear(self.attention_norm(keys), weights[1], biases[1])
            value = F.linear(self.attention_norm(values), weights[2], biases[2])
        mixed = F.scaled_dot_product_attention(
            self._split(query),
            self._split(key),
            self._split(value),
            attn_mask=visible,
            dropout_p=self.dropouts.attention if self.training else 0.0,
        )
        output: Tensor = self.attention_output(mixed.transpose(1, 2).flatten(2))
        return output

    def _split(self, projected: Tensor) -> Tensor:
        """Return [B, heads, T, width / heads]."""
        batch, steps, width = projected.shape
        return projected.view(batch, steps, self.heads, width // self.heads).transpose(1, 2)


def positions_of(values: Tensor) -> Tensor:
    """Return the sinusoidal positions of `values` [B, T, width], in the same shape.

    Positions count from 1; all sines come before all cosines. A step whose first channel is exactly
    zero has the zero vector as its position: so the released implementation marks padding.
    """
    steps, width = values.shape[1:]
    half = width // 2
    frequencies = torch.exp(
        torch.arange(half, device=values.device) * (-math.log(10000.0) / (half - 1))
    )
    angles = torch.arange(1, steps + 1, device=values.device)[:, None] * frequencies
    table = F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width - 2 * half))
    return table.to(values.dtype) * (values[..., :1] != 0)


def _causal(values: Tensor) -> Tensor:
    """Return [T, T], minus infinity where a key is later than its query."""
    steps = values.shape[1]
    return torch.full((steps, steps), -torch.inf, dtype=values.dtype, device=values.device).triu(1)


def _causal_across(query: Steps, memory: Steps) -> Tensor:
    """Return [B, 1, Tq, Tk], minus infinity on the keys that a query must not see."""
    offset = (memory.lengths - query.lengths).abs()[:, None, None]
    queries = torch.arange(query.values.shape[1], device=offset.device)[:, None]
    keys = torch.arange(memory.values.shape[1], device=offset.device)
    hidden = (keys > queries + offset) | ~memory.mask()[:, None]
    return torch.zeros_like(hidden, dtype=query.values.dtype).masked_fill(hidden, -torch.inf)[
        :, None
    ]


def _xavier_linear(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
