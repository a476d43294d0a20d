"""Batches fetched ahead: the same ones, in order, and each before the one before it is used."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dlf.batching import Batch, Clips
from dlf.config import Config
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.placement import fetched_ahead, fits_on
from dlf.training import Training


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_everything_comes_once_and_in_order(count: int) -> None:
    orders = list(range(count))
    assert list(fetched_ahead(orders, lambda x: x * 10, lambda x: x + 1)) == [
        10 * order + 1 for order in orders
    ]


def test_the_next_is_copied_and_the_one_after_asked_for_before_one_is_used() -> None:
    copied: list[int] = []
    gathered: list[int] = []

    def gather(order: int) -> int:
        gathered.append(order)
        return order

    def copy(order: int) -> int:
        copied.append(order)
        return order

    fetched = fetched_ahead([0, 1, 2, 3], gather, copy)
    assert next(fetched) == 0
    assert copied == [0, 1]
    assert list(fetched) == [1, 2, 3]
    assert copied == gathered == [0, 1, 2, 3]


def test_a_fault_while_gathering_is_raised_where_the_batch_is_used() -> None:
    def gather(order: int) -> float:
        return 1 / order

    fetched = fetched_ahead([1, 2, 0], gather, lambda x: x)
    assert next(fetched) == 1
    with pytest.raises(ZeroDivisionError):
        list(fetched)


def test_plain_memory_holds_everything() -> None:
    assert fits_on(torch.device("cpu"), 1 << 60)


@pytest.mark.parametrize(("size", "fits"), [(400, True), (401, False)])
def test_features_get_half_of_what_a_trial_has_left(
    monkeypatch: pytest.MonkeyPatch, size: int, fits: bool
) -> None:
    class Device:
        total_memory = 4000

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Device)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: 0.25)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 200)
    assert fits_on(torch.device("cuda"), size) == fits


def test_a_training_is_the_same_wherever_its_features_lie(
    monkeypatch: pytest.MonkeyPatch,
    planted_split: Callable[..., Split],
    tiny_config: Config,
    tiny_sizes: InputSizes,
) -> None:
    train, valid = planted_split(40, seed=1), planted_split(20, seed=2)

    def last_record() -> dict[str, float]:
        training = Training(tiny_config, tiny_sizes, train, valid, seed=0, max_epochs=2)
        return list(training.epochs())[-1].named()

    resident = last_record()
    fetched: list[Batch] = []
    move = Clips.batch

    def seen(clips: Clips, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Batch:
        fetched.append(move(clips, rows))
        return fetched[-1]

    monkeypatch.setattr("dlf.batching.fits_on", lambda *_: False)
    monkeypatch.setattr(Clips, "batch", seen)
    assert last_record() == resident
    assert fetched
