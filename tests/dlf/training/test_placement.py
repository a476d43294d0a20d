"""Batches fetched ahead: the same ones, in order, gathered while those before them are used."""

from collections.abc import Callable
from threading import Event

import numpy as np
import pytest
import torch

from dlf.config import Config
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.training.batching import Batch, Clips
from dlf.training.placement import fetched_ahead, fits_on
from dlf.training.training import Training

PATIENCE_S = 30.0


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_everything_comes_once_and_in_order(count: int) -> None:
    orders = list(range(count))
    assert list(fetched_ahead(orders, lambda x: x * 10, lambda x: x + 1)) == [
        10 * order + 1 for order in orders
    ]


def test_the_next_are_gathered_while_one_is_used_and_none_is_copied_before_its_use() -> None:
    copied: list[int] = []
    gathered = {order: Event() for order in range(4)}

    def gather(order: int) -> int:
        gathered[order].set()
        return order

    def copy(order: int) -> int:
        copied.append(order)
        return order

    fetched = fetched_ahead([0, 1, 2, 3], gather, copy)
    assert next(fetched) == 0
    assert gathered[1].wait(PATIENCE_S)
    assert gathered[2].wait(PATIENCE_S)
    assert not gathered[3].is_set()
    assert copied == [0]
    assert list(fetched) == [1, 2, 3]
    assert copied == [0, 1, 2, 3]


def test_a_batch_is_used_before_the_one_after_it_is_gathered() -> None:
    """A device would stand idle otherwise where gathering is slow."""
    used = Event()

    def gather(order: int) -> bool:
        return order == 0 or used.wait(PATIENCE_S)

    fetched = fetched_ahead([0, 1], gather, lambda x: x)
    assert next(fetched)
    used.set()
    assert list(fetched) == [True]


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

    monkeypatch.setattr("dlf.training.batching.fits_on", lambda *_: False)
    monkeypatch.setattr(Clips, "batch", seen)
    assert last_record() == resident
    assert fetched
