"""The memory limit of a trial on a GPU: so many trials never take more than there is."""

from types import SimpleNamespace

import pytest
import torch

from dlf.command import BadInputError
from search.resources.gpu_memory import CONTEXT, limit_memory, memory_limit

GIGABYTE = 10**9


@pytest.mark.parametrize("at_once", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("total", [8 * GIGABYTE, 24 * GIGABYTE, 80 * GIGABYTE])
def test_trials_and_their_contexts_fit_together(at_once: int, total: int) -> None:
    limit = memory_limit(1 / at_once, total)
    assert limit > 0
    assert at_once * (limit + CONTEXT) <= total


def test_a_share_that_leaves_nothing_is_refused_in_words() -> None:
    with pytest.raises(BadInputError, match=r"0\.05 of a GPU of 8\.0 GB .* raise --gpus-per-trial"):
        memory_limit(0.05, 8 * GIGABYTE)


class Limits:
    """What torch is told, in place of a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, total: int) -> None:
        self.told: list[float] = []
        card = SimpleNamespace(total_memory=total)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
        monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", self.told.append)


def test_a_trial_with_a_share_is_held_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch, 40 * GIGABYTE)
    limit_memory(0.25)
    (fraction,) = limits.told
    assert fraction * 40 * GIGABYTE == pytest.approx(10 * GIGABYTE - CONTEXT)


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_one_without_a_gpu_or_with_whole_ones_is_not(
    monkeypatch: pytest.MonkeyPatch, gpus: float
) -> None:
    limits = Limits(monkeypatch, 40 * GIGABYTE)
    limit_memory(gpus)
    assert limits.told == []
