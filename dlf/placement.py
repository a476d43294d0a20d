"""Where features lie: on the device if they fit there, else in memory, to be fetched ahead.

A batch that is fetched ahead is gathered into pinned memory by a thread of its own and copied while
the batch before it is learned from, so that a device never waits for it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

DATA_SHARE = 0.5
"""of the memory that a trial has left on a device: the model needs the rest"""

Order = TypeVar("Order")
Gathered = TypeVar("Gathered")
Fetched = TypeVar("Fetched")


def fits_on(device: torch.device, size: int) -> bool:
    """Tell whether `size` bytes of features should lie on the device; in plain memory they do."""
    if device.type != "cuda":
        return True
    total = torch.cuda.get_device_properties(device).total_memory
    share = torch.cuda.get_per_process_memory_fraction(device)
    return size <= DATA_SHARE * (share * total - torch.cuda.memory_allocated(device))


def fetched_ahead(
    orders: Sequence[Order],
    gather: Callable[[Order], Gathered],
    copy: Callable[[Gathered], Fetched],
) -> Iterator[Fetched]:
    """Yield what every order comes to, each gathered and copied before the one before it is used.

    Args:
        orders: what to fetch, in order; one at least.
        gather: brings it together in memory; runs in a thread.
        copy: begins its copy to the device; runs here, so that it queues before the use.
    """
    waiting = iter(orders)
    with ThreadPoolExecutor(max_workers=1) as thread:
        gathers = deque(thread.submit(gather, order) for order in islice(waiting, 2))
        following = copy(gathers.popleft().result())
        while gathers:
            gathers.extend(thread.submit(gather, order) for order in islice(waiting, 1))
            fetched, following = following, copy(gathers.popleft().result())
            yield fetched
        yield following
