"""Where features lie: on the device if they fit there, else in memory, to be fetched ahead.

A batch that is fetched ahead is gathered into pinned memory by a thread of its own, while those
before it are learned from. Its copy is queued on the device behind their work, and not waited for.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

DATA_SHARE = 0.5
"""of the memory that a trial has left on a device: the model needs the rest"""

AHEAD = 2
"""batches in pinned memory, or on their way into it"""

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
    """Yield what every order comes to, gathered while those before it are used.

    Args:
        orders: what to fetch, in order.
        gather: brings it together in memory; runs in a thread.
        copy: queues its copy to the device; runs here, when it is about to be used.
    """
    waiting = iter(orders)
    with ThreadPoolExecutor(max_workers=1) as thread:
        gathers = deque(thread.submit(gather, order) for order in islice(waiting, AHEAD))
        while gathers:
            gathered = gathers.popleft().result()
            gathers.extend(thread.submit(gather, order) for order in islice(waiting, 1))
            yield copy(gathered)
