"""How much room Ray's machines have for trials."""

from collections.abc import Sequence
from typing import NamedTuple

import ray
import torch


class NodeRoom(NamedTuple):
    """What a machine of Ray's has in all, whoever uses it."""

    cpus: float
    gpus: float

    def trials(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """Return how many trials fit on it."""
        fitting = _times(self.cpus, cpus_per_trial)
        if gpus_per_trial:
            fitting = min(fitting, _trials_on_gpus(self.gpus, gpus_per_trial))
        return fitting


def rooms_of_nodes(*, cluster: bool) -> list[NodeRoom]:
    """Return what the living nodes have.

    On this machine alone only those GPUs count that torch can use; the nodes of a cluster may have
    another torch than the machine that drives it.
    """
    gpus_count = cluster or torch.cuda.is_available()
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [
        NodeRoom(node.get("CPU", 0.0), node.get("GPU", 0.0) if gpus_count else 0.0)
        for node in there
    ]


def trials_that_fit(rooms: Sequence[NodeRoom], cpus_per_trial: float, gpus_per_trial: float) -> int:
    """Return how many trials fit on all nodes together, none of them on two."""
    return sum(room.trials(cpus_per_trial, gpus_per_trial) for room in rooms)


def _trials_on_gpus(gpus: float, share: float) -> int:
    if share >= 1:
        return _times(gpus, share)
    return int(gpus) * _times(1, share)


def _times(whole: float, part: float) -> int:
    """Return how often a part fits, of fractions that floats do not hold exactly."""
    return int(whole / part + 1e-9)
