"""A trainable that goes wrong in its second epoch, in a way of its own for some trial numbers."""

import ctypes
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from dlf.training.training import EpochRecord, Training
from search.engine.trainable import RECORD, DLFTrainable, record_of
from search.trial.data import OpenedData

FAULTY_EPOCH = 2
FREE_ADDRESSES = 1 << 30
HUGE = 1 << 42

EPOCHS_BEFORE_STUCK = 2

KILLED, RAISING, DIVERGING, REPORTING_NAN = 1, 2, 3, 4
SPINNING, HOLDING_THE_LOCK = 5, 6
OUT_OF_MEMORY, OUT_OF_TENSORS = 7, 8
DISK_FULL, HANGING_AT_ITS_BEGINNING, RAISING_AT_ITS_BEGINNING = 9, 10, 11


class FaultyTrainable(DLFTrainable):
    """Trains as usual but for the trials above."""

    def step(self) -> dict[str, Any]:
        result = super().step()
        record = record_of(result)
        if self._plan.number == REPORTING_NAN and record.epoch == FAULTY_EPOCH:
            nan = float("nan")
            valid = record.valid.model_copy(update={"mae": nan})
            wrong = record.model_copy(update={"valid": valid, "best_mae": nan})
            result[RECORD] = wrong.model_dump_json()
        return result

    def _new_training(self, seed: int, data: OpenedData) -> Training:
        if self._plan.number == HANGING_AT_ITS_BEGINNING:
            spin()
        if self._plan.number == RAISING_AT_ITS_BEGINNING:
            raise RuntimeError("there is no such model")
        training = super()._new_training(seed, data)
        train_epoch = training.train_epoch

        def train_epoch_or_fail() -> EpochRecord:
            if len(training.history) + 1 == FAULTY_EPOCH:
                FAULTS.get(self._plan.number, _nothing)(training)
            return train_epoch()

        training.train_epoch = train_epoch_or_fail  # type: ignore[method-assign]
        return training

    def _keep(self) -> None:
        epoch = self._training.history[-1].epoch
        if self._plan.number == DISK_FULL and epoch >= FAULTY_EPOCH:
            with limited(resource.RLIMIT_FSIZE, 1000):
                super()._keep()
        else:
            super()._keep()


class StuckTrainable(DLFTrainable):
    """Comes no further than its first epochs."""

    def step(self) -> dict[str, Any]:
        if len(self._training.history) == EPOCHS_BEFORE_STUCK:
            threading.Event().wait()
        return super().step()


def spin(_training: object = None) -> None:
    while True:
        pass


def sleep_with_the_lock(_training: Training) -> None:
    # A PyDLL, unlike a CDLL, keeps Python's global lock during a call.
    ctypes.PyDLL(None).sleep(3600)


def die(_training: Training) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(_training: Training) -> None:
    raise RuntimeError("the fan\nis on fire")


def diverge(training: Training) -> None:
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.fill_(torch.nan)


def fill_memory(_training: Training) -> None:
    with limited_memory():
        bytearray(HUGE)


def fill_tensor_memory(_training: Training) -> None:
    with limited_memory():
        torch.ones(HUGE)


@contextmanager
def limited_memory() -> Iterator[None]:
    """Leave this process a little more address space than it has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    with limited(resource.RLIMIT_AS, pages * resource.getpagesize() + FREE_ADDRESSES):
        yield


@contextmanager
def limited(what: int, limit: int) -> Iterator[None]:
    """Set a limit of this process for a while."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def _nothing(_training: Training) -> None:
    pass


FAULTS: dict[int, Callable[[Training], None]] = {
    KILLED: die,
    RAISING: fail,
    DIVERGING: diverge,
    SPINNING: spin,
    HOLDING_THE_LOCK: sleep_with_the_lock,
    OUT_OF_MEMORY: fill_memory,
    OUT_OF_TENSORS: fill_tensor_memory,
}
