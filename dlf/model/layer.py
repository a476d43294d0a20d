"""One layer of a stack of encoders, with its derivative written out.

A layer is some sixty operators on tensors so small that autograd's book-keeping costs as much as
the arithmetic. As one operation with a backward of its own it costs half; a test holds the backward
against finite differences.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dlf.model.attention import Attended, attend, attend_backward, merge_heads, split_heads

PARTS = {1: [(0, 3)], 2: [(0, 1), (1, 2)], 3: [(0, 1), (1, 1), (2, 1)]}
"""by the number of sources, what each gives of queries, keys and values: the first, how many"""
EPSILON = 1e-5
"""of the norms"""


class LayerWeights(NamedTuple):
    """The parameters of n layers of one shape."""

    attention_scale: Tensor
    """[n, 1, width], of the norm before attention"""
    attention_shift: Tensor
    input_weight: Tensor
    """[n, width, 3 * width], to queries, keys and values"""
    input_bias: Tensor
    output_weight: Tensor
    output_bias: Tensor
    feed_forward_scale: Tensor
    feed_forward_shift: Tensor
    expand_weight: Tensor
    """[n, width, 4 * width]"""
    expand_bias: Tensor
    contract_weight: Tensor
    contract_bias: Tensor


class LayerMasks(NamedTuple):
    """The factors of the dropouts; none where nothing is dropped."""

    attention: Tensor | None
    """[n * B * heads, Tq, Tk]"""
    attended: Tensor | None
    """[n, B * Tq, width]"""
    expanded: Tensor | None
    """[n, B * Tq, 4 * width]"""
    contracted: Tensor | None
    """[n, B * Tq, width]"""


INPUTS = len(LayerMasks._fields) + len(PARTS) + len(LayerWeights._fields)
"""tensors that the function is given, beside the bias"""


def run_layer(
    hidden: Tensor,
    keys: Tensor | None,
    values: Tensor | None,
    bias: Tensor,
    masks: LayerMasks,
    weights: LayerWeights,
    batch: int,
    heads: int,
) -> Tensor:
    """Return the next hidden state [n, B * Tq, width] of n layers.

    Args:
        hidden: [n, B * Tq, width]
        keys: [n, B * Tk, width], what is attended to; none for the hidden state itself.
        values: [n, B * Tk, width]; none for the keys.
        bias: of the attention scores, as `attend` takes it.
        masks: of the dropouts.
        weights: of the n layers.
        batch: the number B of sequences.
        heads: of attention.
    """
    inputs = (batch, heads, bias, *masks, hidden, keys, values, *weights)
    if torch.compiler.is_compiling():
        # The compiler derives a backward of its own, and cannot trace the one below.
        return _Layer.forward(*inputs)[0]
    found: tuple[Tensor, ...] = _Layer.apply(*inputs)  # type: ignore[no-untyped-call]
    return found[0]


class _Norm(NamedTuple):
    """A normalised source, and what the derivative needs again."""

    source: Tensor
    normed: Tensor
    mean: Tensor
    deviation: Tensor
    scaled: Tensor

    @classmethod
    def of(cls, source: Tensor, scale: Tensor, shift: Tensor) -> "_Norm":
        normed = torch.native_layer_norm(source, source.shape[-1:], None, None, EPSILON)
        return cls(source, *normed, torch.addcmul(shift, normed[0], scale))

    def backward(self, gradient: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of source, scale and shift."""
        to_source, _, _ = torch.ops.aten.native_layer_norm_backward(
            gradient * scale,
            self.source,
            self.source.shape[-1:],
            self.mean,
            self.deviation,
            None,
            None,
            [True, False, False],
        )
        to_scale = (gradient * self.normed).sum(1, keepdim=True)
        return to_source, to_scale, gradient.sum(1, keepdim=True)


class _Layer(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        batch: int, heads: int, bias: Tensor, *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        masks, sources, weights = _sorted_out(tensors)
        hidden = sources[0]
        norms = [_Norm.of(x, weights.attention_scale, weights.attention_shift) for x in sources]
        projected: list[Tensor] = []
        for norm, (first, parts) in zip(norms, PARTS[len(norms)], strict=True):
            weight, shift = _columns(weights, first, parts)
            rows = torch.baddbmm(shift.mT, weight.mT, norm.scaled.mT)
            projected += split_heads(rows, parts, batch, heads)
        query, key, value = projected
        attended = attend(query, key, value, bias, masks.attention)
        merged = merge_heads([attended.mixed], len(hidden), hidden.shape[1], batch, heads)
        output = torch.baddbmm(weights.output_bias, merged.mT, weights.output_weight)
        middle = hidden + _times(output, masks.attended)
        norm = _Norm.of(middle, weights.feed_forward_scale, weights.feed_forward_shift)
        expanded = torch.baddbmm(weights.expand_bias, norm.scaled, weights.expand_weight).relu_()
        contracted = torch.baddbmm(
            weights.contract_bias, _times(expanded, masks.expanded), weights.contract_weight
        )
        result = middle + _times(contracted, masks.contracted)
        kept = [tensor for norm in norms for tensor in norm[1:]]
        scores = (*attended.probabilities, *attended.dropped)
        return result, *projected, attended.mixed, merged, *norm, expanded, *kept, *scores

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        # The scores are kept with and without dropout, so that its mask need not be.
        ctx.batch, ctx.heads, _, _, *tensors = inputs
        ctx.mixed = torch.is_autocast_enabled(output[0].device.type)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(None, *tensors, *output[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * (3 + INPUTS)
        inputs, kept = ctx.saved_tensors[:INPUTS], list(ctx.saved_tensors[INPUTS:])
        with torch.autocast(gradient.device.type, torch.bfloat16, enabled=ctx.mixed):
            found = _layer_backward(gradient, *_sorted_out(inputs), kept, ctx.batch, ctx.heads)
        return *[None] * (3 + len(LayerMasks._fields)), *found


def _layer_backward(
    gradient: Tensor,
    masks: LayerMasks,
    sources: list[Tensor],
    weights: LayerWeights,
    kept: list[Tensor],
    batch: int,
    heads: int,
) -> list[Tensor | None]:
    """Return the gradients of hidden, keys, values and weights."""
    query, key, value, mixed, merged, *kept = kept
    middle_norm, expanded, kept = _Norm(*kept[:5]), kept[5], kept[6:]
    norms = [_Norm(source, *kept[4 * i : 4 * i + 4]) for i, source in enumerate(sources)]
    scores = kept[4 * len(sources) :]
    blocks = len(scores) // 2
    attended = Attended(mixed, tuple(scores[:blocks]), tuple(scores[blocks:]))
    found: dict[str, Tensor] = {}

    def linear_backward(name: str, inputs: Tensor, gradient: Tensor) -> Tensor:
        found[f"{name}_weight"] = torch.bmm(inputs.mT, gradient)
        found[f"{name}_bias"] = gradient.sum(1, keepdim=True)
        return torch.bmm(gradient, getattr(weights, f"{name}_weight").mT)

    to_contracted = _times(gradient, masks.contracted)
    to_expanded = linear_backward("contract", _times(expanded, masks.expanded), to_contracted)
    to_expanded = _times(to_expanded, masks.expanded)
    to_expanded = torch.ops.aten.threshold_backward(to_expanded, expanded, 0)
    to_scaled = linear_backward("expand", middle_norm.scaled, to_expanded)
    to_middle, found["feed_forward_scale"], found["feed_forward_shift"] = middle_norm.backward(
        to_scaled, weights.feed_forward_scale
    )
    to_middle = to_middle + gradient

    to_output = _times(to_middle, masks.attended)
    found["output_weight"] = torch.bmm(merged, to_output)
    found["output_bias"] = to_output.sum(1, keepdim=True)
    (to_mixed,) = split_heads(torch.bmm(weights.output_weight, to_output.mT), 1, batch, heads)
    to_heads = attend_backward(to_mixed, query, key, value, attended)

    to_sources, of_weight, of_bias, of_scale, of_shift = [], [], [], [], []
    for norm, (first, parts) in zip(norms, PARTS[len(norms)], strict=True):
        n, rows, _ = norm.source.shape
        to_projected = merge_heads(to_heads[first : first + parts], n, rows, batch, heads)
        of_weight.append(torch.bmm(norm.scaled.mT, to_projected.mT))
        of_bias.append(to_projected.sum(2).unsqueeze(1))
        weight, _ = _columns(weights, first, parts)
        to_scaled = torch.bmm(to_projected.mT, weight.mT)
        to_source, to_scale, to_shift = norm.backward(to_scaled, weights.attention_scale)
        to_sources.append(to_source)
        of_scale.append(to_scale)
        of_shift.append(to_shift)
    found["input_weight"], found["input_bias"] = _joined(of_weight), _joined(of_bias)
    found["attention_scale"] = _summed(of_scale)
    found["attention_shift"] = _summed(of_shift)
    to_sources[0] = to_sources[0] + to_middle
    return [*to_sources, *[None] * (3 - len(sources)), *LayerWeights(**found)]


def _sorted_out(
    tensors: Sequence[Tensor | None],
) -> tuple[LayerMasks, list[Tensor], LayerWeights]:
    """Return masks, sources and weights, in the order in which they are given to the function."""
    masks, sources = len(LayerMasks._fields), len(PARTS)
    present = [x for x in tensors[masks : masks + sources] if x is not None]
    weights = [x for x in tensors[masks + sources :] if x is not None]
    return LayerMasks(*tensors[:masks]), present, LayerWeights(*weights)


def _columns(weights: LayerWeights, first: int, parts: int) -> tuple[Tensor, Tensor]:
    """Return what projects a source to some of queries, keys and values: weight and bias."""
    width = weights.input_weight.shape[1]
    columns = slice(first * width, (first + parts) * width)
    return weights.input_weight[:, :, columns], weights.input_bias[:, :, columns]


def _joined(columns: list[Tensor]) -> Tensor:
    return torch.cat(columns, dim=2) if len(columns) > 1 else columns[0]


def _summed(gradients: list[Tensor]) -> Tensor:
    return torch.stack(gradients).sum(0) if len(gradients) > 1 else gradients[0]


def _times(values: Tensor, mask: Tensor | None) -> Tensor:
    return values if mask is None else values * mask
