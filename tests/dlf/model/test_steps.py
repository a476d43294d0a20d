"""Stacks of sequences: their valid steps, and when modalities share a stack."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dlf.model.steps import WORTH_STACKING, Features, Steps, separate, stacked, valid_steps


def modality(steps: int, seed: int, batch: int = 2, width: int = 3) -> Features:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, steps + 1, (batch,), generator=generator)
    return Features(torch.randn(batch, steps, width, generator=generator), lengths)


def test_valid_steps() -> None:
    assert valid_steps(torch.tensor([1, 3]), 3).int().tolist() == [[1, 0, 0], [1, 1, 1]]
    assert valid_steps(torch.tensor([[2], [5]]), 2).tolist() == [[[True, True]], [[True, True]]]


def test_mask_and_last_valid_step() -> None:
    values = torch.arange(24.0).view(2, 2, 3, 2)
    steps = Steps(values, torch.tensor([[2, 3], [1, 3]]))
    assert steps.mask().int().tolist() == [[[1, 1, 0], [1, 1, 1]], [[1, 0, 0], [1, 1, 1]]]
    last = steps.last()
    assert last.shape == (2, 2, 1, 2)
    assert last.flatten(1).tolist() == [[2, 3, 10, 11], [12, 13, 22, 23]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_nothing_is_lost_in_a_stack(lengths: list[int]) -> None:
    each = [modality(steps, seed) for seed, steps in enumerate(lengths)]
    found = stacked(each)
    assert [len(stack.values) for stack in found] in ([len(each)], [1] * len(each))
    for given_features, single in zip(each, separate(found), strict=True):
        steps = given_features.values.shape[1]
        assert torch.equal(single.values[0, :, :steps], given_features.values)
        assert not single.values[0, :, steps:].any()
        assert torch.equal(single.lengths[0], given_features.lengths)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_a_stack_is_not_mostly_padding(lengths: list[int]) -> None:
    found = stacked(modality(steps, seed) for seed, steps in enumerate(lengths))
    held = sum(stack.values.shape[0] * stack.values.shape[2] for stack in found)
    assert held <= WORTH_STACKING * sum(lengths)


@pytest.mark.parametrize(
    ("lengths", "stacks"), [([5], 1), ([7, 7, 7], 1), ([5, 10, 7], 1), ([50, 375, 500], 3)]
)
def test_modalities_about_as_long_share_a_stack(lengths: list[int], stacks: int) -> None:
    assert len(stacked(modality(steps, 0) for steps in lengths)) == stacks


def test_gradients_pass_through_a_stack() -> None:
    each = [modality(steps, seed) for seed, steps in enumerate((4, 5))]
    sources: list[Tensor] = [values.requires_grad_() for values, _ in each]
    (stack,) = stacked(each)
    stack.values.sum().backward()
    assert all(source.grad is not None and bool((source.grad == 1).all()) for source in sources)
