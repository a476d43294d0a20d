"""The margin loss, against loops over all triplets, and the memory that it takes."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dlf.losses import NORM_FLOOR, margin_loss

WIDTH = 5


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(features: Tensor, labels: Tensor, margin: Tensor) -> Tensor:
    unit = features / (features.square().sum(1, keepdim=True) + NORM_FLOOR).sqrt()
    cosines = unit @ unit.T
    means = []
    for anchor, label in enumerate(labels):
        costs = []
        for positive, negative in product(range(len(labels)), repeat=2):
            if positive == anchor or labels[positive] != label or labels[negative] == label:
                continue
            gap = margin * (label - labels[negative]).abs()
            costs.append(F.relu(gap + cosines[anchor, negative] - cosines[anchor, positive]))
        if costs:
            means.append(torch.stack(costs).mean())
    return torch.stack(means).mean() if means else 0 * cosines.sum()


def assert_equals_loops(features: Tensor, labels: list[float], margin: float) -> None:
    features = features.clone().requires_grad_()
    given = torch.tensor(labels, dtype=torch.float64)
    limit = torch.tensor(margin, dtype=torch.float64)
    ours, expected = margin_loss(features, given, limit), by_loops(features, given, limit)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
    gradients = [torch.autograd.grad(loss, features)[0] for loss in (ours, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


class TestEqualsLoops:
    @settings(max_examples=60, deadline=None)
    @given(
        labels=st.lists(st.sampled_from([-2.4, -1.0, 0.0, 0.2, 3.0]), min_size=1, max_size=9),
        margin=st.just(0.0) | st.floats(0, 1),
        seed=st.integers(0, 1000),
    )
    def test_with_many_ties(self, labels: list[float], margin: float, seed: int) -> None:
        assert_equals_loops(normal(seed, len(labels), WIDTH), labels, margin)

    @settings(max_examples=20, deadline=None)
    @given(
        labels=st.lists(st.integers(-15, 15), min_size=1, max_size=8, unique=True),
        copies=st.integers(1, 3),
        seed=st.integers(0, 1000),
    )
    def test_with_labels_that_are_fifths(self, labels: list[int], copies: int, seed: int) -> None:
        """As those of MOSI are; with one copy of each, all of them are different."""
        features = normal(seed, len(labels) * copies, WIDTH)
        assert_equals_loops(features, [label / 5 for label in labels] * copies, 0.15)

    @pytest.mark.parametrize("margin", [0.0, 0.15, 5.0])
    @pytest.mark.parametrize("zeros", [[0], [0, 1], [2, 3], [0, 1, 2, 3, 4]])
    def test_with_zero_vectors(self, zeros: list[int], margin: float) -> None:
        features = normal(0, 5, WIDTH)
        features[zeros] = 0
        assert_equals_loops(features, [1.0, 1.0, 2.0, 2.0, 2.0], margin)

    @pytest.mark.parametrize("scale", [1e-5, 1e3])
    def test_whatever_the_length_of_the_vectors(self, scale: float) -> None:
        lengths = torch.tensor([1, scale, 1, scale, 1, 1]).double()[:, None]
        assert_equals_loops(normal(0, 6, WIDTH) * lengths, [1.0, 1.0, 2.0, 2.0, 2.0, -1.0], 0.15)

    def test_in_single_precision(self) -> None:
        features, labels = normal(0, 48, WIDTH), (normal(1, 48) * 2).round()
        double = margin_loss(features, labels, torch.tensor(0.15).double())
        single = margin_loss(features.float(), labels.float(), torch.tensor(0.15))
        assert float(single) == pytest.approx(float(double), rel=1e-5)


def test_hand_worked() -> None:
    features = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    labels = torch.tensor([1.0, 1.0, -1.0])
    # both anchors of label 1: 0.15 * 2 - cos(90 degrees) + cos(45 degrees)
    expected = 0.3 + 0.5**0.5
    assert float(margin_loss(features, labels, torch.tensor(0.15))) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [1.0]])
def test_nothing_to_compare_costs_nothing(labels: list[float]) -> None:
    features = normal(0, len(labels), WIDTH).float().requires_grad_()
    loss = margin_loss(features, torch.tensor(labels), torch.tensor(5.0))
    loss.backward()
    assert loss.item() == 0
    assert features.grad is not None
    assert not features.grad.any()


def test_an_anchor_without_triplets_does_not_count() -> None:
    features = normal(1, 5, WIDTH)
    labels = torch.tensor([1.0, 1.0, 2.0, 2.0, -3.0]).double()
    margin = torch.tensor(0.5).double()
    # the last has no positive, but it is a negative of the others
    expected = by_loops(features, labels, margin)
    assert float(margin_loss(features, labels, margin)) == pytest.approx(float(expected))
    assert float(expected) != pytest.approx(float(by_loops(features[:4], labels[:4], margin)))


class LargestTensor(TorchDispatchMode):
    """Notes how many elements the largest tensor has that any operator returns."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        found = func(*args, **(kwargs or {}))
        several = found if isinstance(found, tuple | list) else [found]
        sizes = [each.numel() for each in several if isinstance(each, Tensor)]
        self.elements = max([self.elements, *sizes])
        return found


def test_memory_grows_with_the_square_of_the_batch() -> None:
    anchors = 3 * 512
    features = normal(0, anchors, WIDTH).float().requires_grad_()
    labels = (normal(1, anchors) * 5).round().float() / 5
    with LargestTensor() as largest:
        margin_loss(features, labels, torch.tensor(0.15)).backward()
    assert anchors**2 <= largest.elements <= 1.1 * anchors**2
    assert features.grad is not None
    assert features.grad.isfinite().all()
