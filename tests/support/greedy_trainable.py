"""A trainable that runs out of GPU memory as torch says it, while no GPU is needed for that."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from dlf.training.training import EpochRecord, Training
from search.engine.trainable import DLFTrainable
from search.trial.data import OpenedData

ALWAYS, WITH_WHOLE_BATCHES, AT_ITS_BEGINNING, BY_CUBLAS = 1, 2, 3, 4
FAULTY_EPOCH = 2
MOST_CLIPS = 8
"""of a batch, for which there is memory"""
WORDS = "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity of 24 GiB."


class GreedyTrainable(DLFTrainable):
    """Trains as usual but for the trials above."""

    def _new_training(self, seed: int, data: OpenedData) -> Training:
        config = self._plan.config.training
        if self._plan.number == AT_ITS_BEGINNING and config.batch_size > MOST_CLIPS:
            raise torch.OutOfMemoryError(WORDS)
        training = super()._new_training(seed, data)
        train_epoch = partial(self._train_or_fail, training, training.train_epoch)
        training.train_epoch = train_epoch  # type: ignore[method-assign]
        return training

    def _train_or_fail(self, training: Training, train: Callable[[], EpochRecord]) -> Any:
        greedy = training.config.training.batch_size > MOST_CLIPS
        if len(training.history) + 1 == FAULTY_EPOCH:
            if self._plan.number == ALWAYS or (self._plan.number == WITH_WHOLE_BATCHES and greedy):
                raise torch.OutOfMemoryError(WORDS)
            if self._plan.number == BY_CUBLAS and greedy:
                raise RuntimeError(
                    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
                )
        return train()
