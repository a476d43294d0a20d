"""Attention, against that of torch, and its derivative against finite differences."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.model.attention import (
    attend,
    attend_backward,
    merge_heads,
    padded_steps,
    split_heads,
)

HEADS, CHANNELS, SEQUENCES = 2, 3, 2
CPU = torch.device("cpu")

Bias = Callable[[int, int], Tensor]


def causal(queries: int, keys: int) -> Tensor:
    return torch.full((queries, keys), -torch.inf).triu(1).double()


def of_sequences(queries: int, keys: int) -> Tensor:
    """Hide the last keys of the second sequence from all of its queries."""
    bias = torch.zeros(SEQUENCES, 1, 1, keys)
    bias[1, :, :, (keys + 1) // 2 :] = -torch.inf
    return bias.double()


def of_queries(queries: int, keys: int) -> Tensor:
    """Hide other keys from every query, and add something to the rest."""
    torch.manual_seed(5)
    bias = torch.randn(SEQUENCES, 1, queries, keys)
    bias[:, :, :, 1:][torch.rand(SEQUENCES, 1, queries, keys - 1) < 0.5] = -torch.inf
    return bias.double()


CASES = [
    *[(causal, steps, steps) for steps in (1, 3, 5, 16, 31, 32, 33, 40, 50)],
    *[(bias, 4, 6) for bias in (of_sequences, of_queries)],
    *[(bias, 34, 33) for bias in (of_sequences, of_queries)],
    (of_sequences, 1, 7),
]


def made(queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values of all heads of all sequences, channels first."""
    torch.manual_seed(queries + keys)
    return (
        torch.randn(SEQUENCES * HEADS, CHANNELS, queries, dtype=torch.float64, requires_grad=True),
        torch.randn(SEQUENCES * HEADS, CHANNELS, keys, dtype=torch.float64, requires_grad=True),
        torch.randn(SEQUENCES * HEADS, CHANNELS, keys, dtype=torch.float64, requires_grad=True),
    )


def dropout_mask(queries: int, keys: int) -> Tensor:
    torch.manual_seed(7)
    kept = torch.rand(SEQUENCES * HEADS, queries, keys) > 0.3
    return kept.double() / 0.7


def expected_of(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Return what `attend` should, by the kernel of torch, which takes [.., heads, T, channels]."""
    query, key, value = (x.unflatten(0, (SEQUENCES, HEADS)).mT for x in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias).mT.flatten(0, 1)


def with_dropout(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
    """Return what `attend` should with dropout, which torch draws for itself: by hand."""
    scores = torch.einsum("gcq,gck->gqk", query, key) / CHANNELS**0.5
    if bias.dim() > 2:
        bias = bias.repeat_interleave(HEADS, dim=0).squeeze(1)
    return torch.einsum("gqk,gck->gcq", (scores + bias).softmax(-1) * mask, value)


@pytest.mark.parametrize(("bias", "queries", "keys"), CASES)
class TestEqualsTorch:
    def test_without_dropout(self, bias: Bias, queries: int, keys: int) -> None:
        inputs, hidden = made(queries, keys), bias(queries, keys)
        ours, expected = attend(*inputs, hidden, None).mixed, expected_of(*inputs, hidden)
        torch.testing.assert_close(ours, expected)
        weights = torch.randn_like(expected)
        torch.testing.assert_close(
            torch.autograd.grad((ours * weights).sum(), inputs),
            torch.autograd.grad((expected * weights).sum(), inputs),
        )

    def test_with_dropout(self, bias: Bias, queries: int, keys: int) -> None:
        inputs, hidden = made(queries, keys), bias(queries, keys)
        mask = dropout_mask(queries, keys)
        ours = attend(*inputs, hidden, mask).mixed
        torch.testing.assert_close(ours, with_dropout(*inputs, hidden, mask))

    @pytest.mark.parametrize("dropout", [False, True])
    def test_the_derivative(self, bias: Bias, queries: int, keys: int, dropout: bool) -> None:
        """What is written out is what autograd finds."""
        inputs, hidden = made(queries, keys), bias(queries, keys)
        mask = dropout_mask(queries, keys) if dropout else torch.ones(1).double()
        expected = with_dropout(*inputs, hidden, mask)
        gradient = torch.randn_like(expected)
        with torch.no_grad():
            attended = attend(*inputs, hidden, mask if dropout else None)
            found = attend_backward(gradient, *inputs, attended)
        torch.testing.assert_close(
            tuple(found), torch.autograd.grad((expected * gradient).sum(), inputs)
        )


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(
    ("bias", "queries", "keys"),
    [(causal, 5, 5), (causal, 33, 33), (of_sequences, 2, 4), (of_queries, 4, 3)],
)
def test_against_finite_differences(bias: Bias, queries: int, keys: int, dropout: bool) -> None:
    hidden = bias(queries, keys)
    mask = dropout_mask(queries, keys) if dropout else None

    def mixed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attend(query, key, value, hidden, mask).mixed

    assert torch.autograd.gradcheck(mixed, made(queries, keys), fast_mode=True)


def test_a_hidden_key_is_nothing_to_a_query() -> None:
    query, key, value = (x.detach() for x in made(40, 40))
    before = attend(query, key, value, causal(40, 40), None).mixed
    for step in (0, 15, 20, 39):
        moved = value.clone()
        moved[:, :, step] += 1
        after = attend(query, key, moved, causal(40, 40), None).mixed
        changed = (after != before).any(dim=1).any(dim=0)
        assert changed.tolist() == [i >= step for i in range(40)]


class TestHeads:
    @pytest.mark.parametrize("parts", [1, 2, 3])
    @pytest.mark.parametrize("steps", [1, 4, 5, 17, 20])
    def test_split_and_merged_are_what_they_were(self, steps: int, parts: int) -> None:
        torch.manual_seed(0)
        values = torch.randn(3, parts * HEADS * CHANNELS, 2 * steps)
        split = split_heads(values, parts, batch=2, heads=HEADS)
        assert len(split) == parts
        padded = padded_steps(steps, CPU)
        assert {part.shape for part in split} == {(3 * 2 * HEADS, CHANNELS, padded)}
        assert not any(part[:, :, steps:].any() for part in split)
        assert torch.equal(merge_heads(list(split), 3, 2 * steps, 2, HEADS), values)

    @pytest.mark.parametrize("steps", [1, 3, 4, 5, 15, 16, 17, 50, 375])
    def test_steps_are_padded_by_little(self, steps: int) -> None:
        assert steps <= padded_steps(steps, CPU) <= max(16, steps + 3)
        assert padded_steps(padded_steps(steps, CPU), CPU) == padded_steps(steps, CPU)

    @pytest.mark.parametrize("steps", [3, 5, 17])
    def test_on_a_gpu_no_step_is_padded(self, steps: int) -> None:
        assert padded_steps(steps, torch.device("cuda")) == steps
