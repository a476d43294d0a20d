"""One layer with its derivative written out, against plain operators and finite differences."""

from itertools import product
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.model.attention import padded_steps
from dlf.model.layer import LayerMasks, LayerWeights, run_layer

MEMBERS, BATCH, HEADS, CHANNELS = 2, 2, 2, 3
WIDTH = HEADS * CHANNELS


class Case(NamedTuple):
    """The arguments of a layer."""

    hidden: Tensor
    keys: Tensor | None
    values: Tensor | None
    bias: Tensor
    masks: LayerMasks
    weights: LayerWeights

    def differentiable(self) -> list[Tensor]:
        given = [self.hidden, self.keys, self.values, *self.weights]
        return [x for x in given if x is not None]


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def scaling(*shape: int) -> Tensor:
    return (torch.rand(*shape) > 0.3).double() / 0.7


def made(queries: int, keys: int, sources: int, *, dropout: bool) -> Case:
    """Make a layer of random weights; one source is self-attention, causal."""
    torch.manual_seed(queries + 10 * sources)
    device = torch.device("cpu")
    padded_queries, padded_keys = padded_steps(queries, device), padded_steps(keys, device)
    if sources == 1:
        bias = torch.full((padded_queries, padded_queries), -torch.inf).triu(1)
    else:
        bias = torch.zeros(MEMBERS * BATCH, 1, padded_queries, padded_keys)
        bias[:, :, :, keys:] = -torch.inf
        bias[1::2, :, :, keys - 1] = -torch.inf
    masks = LayerMasks(None, None, None, None)
    if dropout:
        masks = LayerMasks(
            scaling(MEMBERS * BATCH * HEADS, padded_queries, padded_keys),
            scaling(MEMBERS, BATCH * queries, WIDTH),
            scaling(MEMBERS, BATCH * queries, 4 * WIDTH),
            scaling(MEMBERS, BATCH * queries, WIDTH),
        )
    weights = LayerWeights(
        attention_scale=normal(MEMBERS, 1, WIDTH),
        attention_shift=normal(MEMBERS, 1, WIDTH),
        input_weight=normal(MEMBERS, WIDTH, 3 * WIDTH),
        input_bias=normal(MEMBERS, 1, 3 * WIDTH),
        output_weight=normal(MEMBERS, WIDTH, WIDTH),
        output_bias=normal(MEMBERS, 1, WIDTH),
        feed_forward_scale=normal(MEMBERS, 1, WIDTH),
        feed_forward_shift=normal(MEMBERS, 1, WIDTH),
        expand_weight=normal(MEMBERS, WIDTH, 4 * WIDTH),
        expand_bias=normal(MEMBERS, 1, 4 * WIDTH),
        contract_weight=normal(MEMBERS, 4 * WIDTH, WIDTH),
        contract_bias=normal(MEMBERS, 1, WIDTH),
    )
    return Case(
        hidden=normal(MEMBERS, BATCH * queries, WIDTH),
        keys=normal(MEMBERS, BATCH * keys, WIDTH) if sources > 1 else None,
        values=normal(MEMBERS, BATCH * keys, WIDTH) if sources > 2 else None,
        bias=bias.double(),
        masks=masks,
        weights=weights,
    )


def plain(case: Case) -> Tensor:
    """Return the result of a layer by operators that torch differentiates."""
    w, hidden = case.weights, case.hidden
    keys = hidden if case.keys is None else case.keys
    values = keys if case.values is None else case.values

    def times(tensor: Tensor, mask: Tensor | None) -> Tensor:
        return tensor if mask is None else tensor * mask

    def heads_of(source: Tensor, part: int) -> Tensor:
        """Return [members * batch, heads, steps, channels]."""
        normed = F.layer_norm(source, (WIDTH,)) * w.attention_scale + w.attention_shift
        columns = slice(part * WIDTH, (part + 1) * WIDTH)
        projected = normed @ w.input_weight[:, :, columns] + w.input_bias[:, :, columns]
        return projected.view(MEMBERS * BATCH, -1, HEADS, CHANNELS).transpose(1, 2)

    query, key, value = (heads_of(x, i) for i, x in enumerate((hidden, keys, values)))
    shown = (query.shape[2], key.shape[2])
    scores = query @ key.mT / CHANNELS**0.5 + case.bias[..., : shown[0], : shown[1]]
    probabilities = scores.softmax(-1)
    if case.masks.attention is not None:
        mask = case.masks.attention[:, : shown[0], : shown[1]]
        probabilities = probabilities * mask.view(MEMBERS * BATCH, HEADS, *shown)
    merged = (probabilities @ value).transpose(1, 2).reshape(hidden.shape)
    middle = hidden + times(merged @ w.output_weight + w.output_bias, case.masks.attended)
    normed = F.layer_norm(middle, (WIDTH,)) * w.feed_forward_scale + w.feed_forward_shift
    expanded = times(F.relu(normed @ w.expand_weight + w.expand_bias), case.masks.expanded)
    contracted = expanded @ w.contract_weight + w.contract_bias
    return middle + times(contracted, case.masks.contracted)


def ours(case: Case) -> Tensor:
    return run_layer(*case, BATCH, HEADS)


SIZES = [
    (1, 1, 1),
    (3, 3, 1),
    (7, 7, 1),
    (18, 18, 1),
    (37, 37, 1),
    (3, 4, 2),
    (6, 20, 2),
    (5, 7, 3),
]
"""queries, keys, and sources: the hidden state, keys, and values of their own"""


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("queries", "keys", "sources"), SIZES)
def test_equals_plain_operators(queries: int, keys: int, sources: int, dropout: bool) -> None:
    case = made(queries, keys, sources, dropout=dropout)
    found, expected = ours(case), plain(case)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, case.differentiable(), gradient),
        torch.autograd.grad(expected, case.differentiable(), gradient),
    )


@pytest.mark.parametrize(("sources", "dropout"), list(product([1, 2, 3], [False, True])))
def test_against_finite_differences(sources: int, dropout: bool) -> None:
    case = made(3, 3, sources, dropout=dropout)
    given = [case.hidden, case.keys, case.values]

    def layer(*tensors: Tensor) -> Tensor:
        rest = iter(tensors)
        hidden, keys, values = (None if x is None else next(rest) for x in given)
        assert hidden is not None
        return ours(Case(hidden, keys, values, case.bias, case.masks, LayerWeights(*rest)))

    assert torch.autograd.gradcheck(layer, case.differentiable(), fast_mode=True)


def test_a_second_derivative_is_refused() -> None:
    case = made(3, 3, 1, dropout=False)
    (gradient,) = torch.autograd.grad(
        ours(case).square().sum(), case.differentiable()[0], create_graph=True
    )
    with pytest.raises(RuntimeError):
        torch.autograd.grad(gradient.sum(), case.differentiable()[0])
