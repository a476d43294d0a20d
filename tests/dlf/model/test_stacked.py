"""Stacked layers are the layers of torch, one for each row."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlf.model.stacked import StackedLinear, StackedNorm, xavier_linear
from dlf.model.steps import Members

MEMBERS = [None, slice(0, 1), slice(1, 3), slice(2, 3)]


def rows(members: Members, width: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(len(range(3)[members or slice(None)]), 4, width)


class TestLinear:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("members", MEMBERS)
    def test_every_member_is_a_linear_layer(self, members: Members, bias: bool) -> None:
        linear, values = StackedLinear(3, 5, 7, bias=bias), rows(members, 5)
        found = linear(values, members)
        for row, member in enumerate(range(3)[members or slice(None)]):
            own = None if linear.bias is None else linear.bias[member, 0]
            torch.testing.assert_close(
                found[row], F.linear(values[row], linear.weight[member].T, own)
            )

    @pytest.mark.parametrize("bias", [True, False])
    def test_begins_as_a_linear_layer_does(self, bias: bool) -> None:
        torch.manual_seed(0)
        linear = StackedLinear(3, 100, 80, bias=bias)
        usual = torch.nn.Linear(100, 80, bias=bias).weight.detach()
        for member in linear.weight.detach():
            assert float(member.abs().max()) == pytest.approx(float(usual.abs().max()), rel=0.02)
            assert float(member.std()) == pytest.approx(float(usual.std()), rel=0.05)
        assert not torch.equal(linear.weight[0], linear.weight[1])
        if linear.bias is not None:
            assert 0.08 < float(linear.bias.detach().abs().max()) <= 1 / math.sqrt(100)

    def test_xavier(self) -> None:
        torch.manual_seed(0)
        linear = xavier_linear(3, 100, 300)
        bound = math.sqrt(6 / 400)
        for member in linear.weight.detach():
            assert 0.98 * bound < float(member.abs().max()) <= bound
            assert float(member.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
        assert not torch.equal(linear.weight[0], linear.weight[1])
        assert linear.bias is not None
        assert not linear.bias.any()


class TestNorm:
    @pytest.mark.parametrize("members", MEMBERS)
    def test_every_member_is_a_layer_norm(self, members: Members) -> None:
        norm, values = StackedNorm(3, 5), rows(members, 5)
        with torch.no_grad():
            norm.weight.normal_()
            norm.bias.normal_()
        found = norm(values, members)
        for row, member in enumerate(range(3)[members or slice(None)]):
            expected = F.layer_norm(values[row], (5,), norm.weight[member, 0], norm.bias[member, 0])
            torch.testing.assert_close(found[row], expected)

    def test_begins_as_a_layer_norm_does(self) -> None:
        values = rows(None, 5)
        torch.testing.assert_close(StackedNorm(3, 5)(values), torch.nn.LayerNorm(5)(values))


@pytest.mark.parametrize(
    "make",
    [lambda: StackedLinear(3, 4, 2), lambda: StackedNorm(3, 4), lambda: xavier_linear(3, 4, 4)],
)
def test_members_that_are_not_asked_have_no_gradient(
    make: Callable[[], StackedLinear | StackedNorm],
) -> None:
    module = make()
    module(rows(slice(1, 2), 4), slice(1, 2)).square().sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert [bool(member.any()) for member in parameter.grad] == [False, True, False]
