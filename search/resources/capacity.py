"""How many trials may be under way, on a cluster as its nodes join and are lost."""

from collections.abc import Callable
from time import monotonic

from search.cluster.rooms import NodeRoom, rooms_of_nodes, trials_that_fit
from search.resources.allotment import Resources

LOOK_SECONDS = 5.0


class Capacity:
    """How many trials may be under way: on a cluster as its nodes are, looked at now and then."""

    def __init__(
        self, resources: Resources, rooms: Callable[..., list[NodeRoom]] = rooms_of_nodes
    ) -> None:
        self._resources = resources
        self._rooms = rooms
        self._trials = resources.max_concurrent
        self._looked = monotonic()

    def trials(self) -> int:
        """Return how many trials there is room for; one at least, which waits for a node."""
        if self._resources.cluster and monotonic() - self._looked > LOOK_SECONDS:
            self._looked = monotonic()
            fitting = trials_that_fit(
                self._rooms(cluster=True),
                self._resources.cpus_per_trial,
                self._resources.gpus_per_trial,
            )
            self._trials = max(1, min(fitting, self._resources.bound or fitting))
        return self._trials
