"""The kinds of work that operators are counted as."""

from itertools import combinations

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.operators import KINDS, OTHERS, OUTSIDE, kind_of, operator_calls, shares_of


def test_an_operator_is_of_one_kind() -> None:
    assert not [set(a & b) for a, b in combinations(KINDS.values(), 2) if a & b]
    assert kind_of("aten::bmm") == "matrix products"
    assert kind_of("aten::mul_") == "elementwise arithmetic"
    assert kind_of("aten::as_strided") == OTHERS


def test_time_is_told_by_kind_and_what_is_in_no_operator_apart() -> None:
    matrix = torch.randn(64, 64)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        torch.mm(matrix, matrix)
        torch.mm(matrix, matrix)
        torch.relu(matrix)
    assert operator_calls(profiled) >= 3
    shares = shares_of(profiled, seconds=10.0)
    assert list(shares) == [*KINDS, OTHERS, OUTSIDE]
    assert shares[OUTSIDE] > 0.9
    inside = sum(
        event.self_cpu_time_total / 1e6
        for event in profiled.key_averages()
        if event.key.startswith("aten::")
    )
    shares = shares_of(profiled, seconds=2 * inside)
    assert abs(shares[OUTSIDE] - 0.5) < 0.01
    assert shares["matrix products"] > 0
