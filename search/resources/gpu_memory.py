"""The memory of a GPU: how much of it a trial may take, and how much a piece of work has taken."""

from collections.abc import Callable
from typing import Protocol

import torch

from dlf.command import BadInputError

CONTEXT = 768 << 20
"""bytes that are left to CUDA itself in every process on a GPU, which torch does not count"""

GIGABYTE = 1e9


class MemoryMeter(Protocol):
    """Measures work on a device; what is pickled, and measures in another process, is this."""

    @property
    def device(self) -> str:
        """Where the work has to be done."""

    def total(self) -> int:
        """Return the bytes that the device has."""

    def peak_of(self, work: Callable[[], None]) -> int | None:
        """Do some work; return the most bytes that torch held meanwhile, none for too many."""


class CudaMeter:
    """Measures on the GPU of this process, which nothing else may use meanwhile."""

    device = "cuda"

    def total(self) -> int:
        """Return the bytes that the GPU has."""
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory

    def peak_of(self, work: Callable[[], None]) -> int | None:
        """Do some work; return the most bytes that torch held meanwhile, none for too many.

        What counts is what torch had reserved: it keeps what is free within, and others lack it.
        """
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        try:
            work()
            torch.cuda.synchronize()
        except torch.OutOfMemoryError:
            return None
        return torch.cuda.max_memory_reserved()


def memory_limit(share: float, total: int) -> int:
    """Return how many bytes torch may hold in a process that has a share of a GPU.

    Raises:
        BadInputError: when that is nothing, since CUDA itself takes as much.
    """
    limit = int(share * total) - CONTEXT
    if limit <= 0:
        raise BadInputError(
            f"{share:g} of a GPU of {total / GIGABYTE:.1f} GB is no more than CUDA itself may take "
            f"({CONTEXT / GIGABYTE:.1f} GB): raise --gpus-per-trial"
        )
    return limit


def limit_memory(gpus_per_trial: float) -> None:
    """Hold this process within its share of a GPU, so that a greedy trial fails alone.

    Raises:
        BadInputError: when the share is too small for anything.
    """
    if 0 < gpus_per_trial < 1:
        total = CudaMeter().total()
        torch.cuda.set_per_process_memory_fraction(memory_limit(gpus_per_trial, total) / total)
