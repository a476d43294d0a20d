"""Dropout by bytes: its rates, its means, and when it does nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dlf.model.dropout import LEVELS, Dropout

MANY = 200_000
CPU = torch.device("cpu")


def shares_of(mask: Tensor) -> list[float]:
    """Return the share of zeros in every row."""
    return [float((row == 0).float().mean()) for row in mask]


@pytest.mark.parametrize("rate", [0.0, 1 / 512 + 1e-4, 0.1, 0.2, 0.3, 0.5, 0.9, 0.99])
def test_drops_its_rate_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1, MANY)
    dropped = Dropout([rate])(values, training=True)
    level = round(rate * LEVELS) / LEVELS
    assert abs(level - rate) <= 0.5 / LEVELS
    deviation = (level * (1 - level) / MANY) ** 0.5
    assert shares_of(dropped)[0] == pytest.approx(level, abs=5 * deviation)
    assert float(dropped.mean()) == pytest.approx(1, abs=5 * deviation / (1 - level))
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - level)] if level else [1])


@given(st.floats(0, 1, exclude_max=True))
def test_any_rate_below_one_gives_numbers(rate: float) -> None:
    assert Dropout([rate])(torch.ones(1, 600), training=True).isfinite().all()


def test_every_row_has_a_rate_of_its_own() -> None:
    torch.manual_seed(0)
    mask = Dropout([0.1, 0.0, 0.6]).mask((3, 100, 100), CPU, True)
    assert mask is not None
    assert shares_of(mask) == pytest.approx([0.1, 0.0, 0.6], abs=0.02)


def test_one_rate_serves_all_rows() -> None:
    torch.manual_seed(0)
    mask = Dropout([0.25]).mask((3, 100, 100), CPU, True)
    assert mask is not None
    assert shares_of(mask) == pytest.approx([0.25] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("members", "expected"),
    [(slice(0, 1), [0.1]), (slice(1, 3), [0.0, 0.6]), (slice(2, 3), [0.6]), (None, [0.1, 0, 0.6])],
)
def test_members_have_their_own_rates(members: slice | None, expected: list[float]) -> None:
    torch.manual_seed(0)
    mask = Dropout([0.1, 0.0, 0.6]).mask((len(expected), 20_000), CPU, True, members)
    assert mask is not None
    assert shares_of(mask) == pytest.approx(expected, abs=0.02)


class TestNothing:
    def test_is_dropped_in_evaluation(self) -> None:
        dropout, values = Dropout([0.5, 0.5]), torch.ones(2, 8)
        assert dropout(values, training=False) is values
        assert dropout.mask((2, 8), CPU, False) is None
        assert not dropout.applies(False)

    @pytest.mark.parametrize("rates", [[0.0], [0.0, 0.0], [0.0, 1 / 513]])
    def test_is_spent_where_no_rate_is_left(self, rates: list[float]) -> None:
        state = torch.get_rng_state()
        dropout, values = Dropout(rates), torch.ones(2, 8)
        assert dropout(values, training=True) is values
        assert dropout.mask((2, 8), CPU, True) is None
        assert not dropout.applies(True)
        assert torch.equal(torch.get_rng_state(), state)

    def test_is_spent_on_members_without_one(self) -> None:
        dropout, values = Dropout([0.0, 0.5]), torch.ones(1, 8)
        assert dropout(values, True, slice(0, 1)) is values
        assert dropout.applies(True, slice(1, 2))
        assert dropout.applies(True)


def test_one_seed_is_one_mask() -> None:
    def mask(seed: int) -> Tensor:
        torch.manual_seed(seed)
        found = Dropout([0.5]).mask((1, 1000), CPU, True)
        assert found is not None
        return found

    assert torch.equal(mask(1), mask(1))
    assert not torch.equal(mask(1), mask(2))


def test_no_two_draws_are_the_same() -> None:
    torch.manual_seed(0)
    masks = torch.stack([Dropout([0.5])(torch.ones(1, 1003), True) for _ in range(20)]).flatten(1)
    assert len(masks.unique(dim=0)) == 20
    assert float(torch.corrcoef(masks).triu(1).abs().max()) < 0.2


def test_all_entries_are_as_likely() -> None:
    """Also the last, where the count is no multiple of the eight that one draw decides over."""
    torch.manual_seed(0)
    dropout = Dropout([0.3])
    shares = torch.stack([dropout(torch.ones(1, 13), True) == 0 for _ in range(4000)]).float()
    assert shares.mean(dim=(0, 1)).tolist() == pytest.approx([0.3] * 13, abs=0.04)


def test_gradients_are_those_of_what_is_kept() -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 50, requires_grad=True)
    dropped = Dropout([0.5, 0.2])(values, True)
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values, dropped)
    assert shares_of(values.grad) == shares_of(dropped) != [0, 0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_keeps_the_kind_of_number(dtype: torch.dtype) -> None:
    assert Dropout([0.5])(torch.ones(1, 8, dtype=dtype), True).dtype == dtype
