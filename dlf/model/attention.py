"""Scaled dot-product attention for the many tiny heads of this model, and its derivative.

The released sizes have ten heads of five channels and a dozen steps, where a general kernel spends
its time on everything but the products. Heads come channels first, so that the narrow side of
every product is its rows, and each score is touched as rarely as possible.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SMALL, SHORTEST, MULTIPLE = 4, 16, 4
"""On a CPU, softmax and products of more than 4 and fewer than 16 steps, or of an odd number of
them, take longer than those of padded ones: softmax of 12 steps five times as long as of 16."""

WORTH_HALVING = 32
"""From so many steps on, a block of the first queries pays, which cannot see the later keys."""


class Attended(NamedTuple):
    """What attention gives, and what its derivative needs again."""

    mixed: Tensor
    """[G, channels, Tq], the values as they are mixed for every query"""
    probabilities: tuple[Tensor, ...]
    """[G, Tq, Tk] in blocks of queries, each with the keys that it can see at all"""
    dropped: tuple[Tensor, ...]
    """the same after dropout"""


def padded_steps(steps: int, device: torch.device) -> int:
    """Return the number of steps to which queries and keys are best padded."""
    if device.type != "cpu" or steps <= SMALL:
        return steps
    return max(SHORTEST, -(-steps // MULTIPLE) * MULTIPLE)


def split_heads(values: Tensor, parts: int, batch: int, heads: int) -> tuple[Tensor, ...]:
    """Cut [n, parts * heads * channels, batch * T] into parts [n * batch * heads, channels, T'].

    T' is T, padded with zeros as `padded_steps` says.
    """
    n, _, rows = values.shape
    steps = rows // batch
    padding = padded_steps(steps, values.device) - steps
    apart = values.view(n, parts, heads, -1, batch, steps).permute(1, 0, 4, 2, 3, 5)
    apart = F.pad(apart, (0, padding)) if padding else apart.contiguous()
    return apart.view(parts, n * batch * heads, -1, steps + padding).unbind()


def merge_heads(parts: list[Tensor], n: int, rows: int, batch: int, heads: int) -> Tensor:
    """Undo `split_heads`: return [n, parts * heads * channels, rows]."""
    joined = torch.stack(parts) if len(parts) > 1 else parts[0]
    apart = joined.view(len(parts), n, batch, heads, *parts[0].shape[1:])[..., : rows // batch]
    return apart.permute(1, 0, 3, 4, 2, 5).reshape(n, -1, rows)


def attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor | None
) -> Attended:
    """Mix the values by the softmax of the scaled products of queries and keys.

    Args:
        query: [G, channels, Tq] of G heads, of all samples and members.
        key: [G, channels, Tk]
        value: [G, channels, Tk]
        bias: added to the scores, minus infinity where a key is hidden: [T, T] for all heads, when
            it hides all keys later than their query, or [S, 1, 1 or Tq, Tk] for those of S
            sequences.
        mask: of the dropout on the probabilities, [G, Tq, Tk], already scaled.
    """
    causal = bias.dim() == 2
    mixed, probabilities, dropped = [], [], []
    for queries, keys in _blocks(query.shape[2], causal, query.device):
        scores = _scores(query[:, :, queries], key[:, :, keys], bias[..., queries, keys])
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(-1)
        probabilities.append(scores)
        dropped.append(scores if mask is None else scores * mask[:, queries, keys])
        mixed.append(torch.bmm(value[:, :, keys], dropped[-1].mT))
    return Attended(_joined(mixed), tuple(probabilities), tuple(dropped))


def attend_backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, attended: Attended
) -> list[Tensor]:
    """Return the gradients of query, key and value, [G, C, T], given that of the mixed ones."""
    scaled = gradient * query.shape[1] ** -0.5
    inner = (scaled * attended.mixed).sum(1).unsqueeze(-1)
    blocks = _blocks(query.shape[2], len(attended.dropped) > 1, query.device)
    parts = list(zip(blocks, attended.probabilities, attended.dropped, strict=True))
    to_query, to_key, to_value = [], [], []
    for (queries, keys), probabilities, dropped in parts:
        scores = torch.bmm(scaled[:, :, queries].mT, value[:, :, keys]).to(probabilities.dtype)
        scores.mul_(dropped)
        scores = torch.addcmul(scores, probabilities, inner[:, queries], value=-1)
        to_query.append(torch.bmm(key[:, :, keys], scores.mT))
        to_key.append(torch.bmm(query[:, :, queries], scores))
        to_value.append(torch.bmm(gradient[:, :, queries], dropped))
    return [_joined(to_query), _added_up(to_key), _added_up(to_value)]


def _scores(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    """Return the biased scores [G, Tq, Tk]; no mask of that size is made."""
    scale = query.shape[1] ** -0.5
    if bias.dim() == 2:
        return torch.baddbmm(bias.to(query.dtype), query.mT, key, alpha=scale)
    scores = torch.bmm((query * scale).mT, key)
    scores.view(len(bias), -1, *scores.shape[1:]).add_(bias)
    return scores


def _blocks(steps: int, causal: bool, device: torch.device) -> list[tuple[slice, slice]]:
    """Return blocks of queries, each with the first keys, among which are all that it can see."""
    if not causal or steps < WORTH_HALVING:
        return [(slice(None), slice(None))]
    half = padded_steps(steps // 2, device)
    return [(slice(0, half), slice(0, half)), (slice(half, steps), slice(0, steps))]


def _joined(blocks: list[Tensor]) -> Tensor:
    return torch.cat(blocks, dim=2) if len(blocks) > 1 else blocks[0]


def _added_up(blocks: list[Tensor]) -> Tensor:
    """Add [G, channels, T] of the first keys to those of all keys, which come last."""
    *firsts, everything = blocks
    for first in firsts:
        everything[:, :, : first.shape[2]] += first
    return everything
