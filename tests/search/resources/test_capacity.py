"""How many trials fit on the nodes of a cluster, now and as they join and are lost."""

import pytest

from search.cluster.rooms import NodeRoom, trials_that_fit
from search.resources import capacity as looking
from search.resources.allotment import Resources
from search.resources.capacity import Capacity


@pytest.mark.parametrize(
    ("rooms", "cpus", "gpus", "fitting"),
    [
        ([NodeRoom(4, 0)], 1, 0, 4),
        ([NodeRoom(3, 0), NodeRoom(3, 0)], 2, 0, 2),
        ([NodeRoom(0, 0), NodeRoom(0.5, 0)], 0.5, 0, 1),
        ([NodeRoom(16, 2)], 1, 0.25, 8),
        ([NodeRoom(3, 2)], 1, 0.25, 3),
        ([NodeRoom(16, 1), NodeRoom(16, 0)], 1, 0.3, 3),
        ([NodeRoom(16, 3)], 1, 2, 1),
        ([], 1, 0, 0),
    ],
)
def test_no_trial_lies_on_two_nodes_or_gpus(
    rooms: list[NodeRoom], cpus: float, gpus: float, fitting: int
) -> None:
    assert trials_that_fit(rooms, cpus, gpus) == fitting


class Growing:
    """Nodes of two CPUs, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nodes = 1
        self.now = 0.0
        monkeypatch.setattr(looking, "monotonic", lambda: self.now)

    def rooms(self, *, cluster: bool) -> list[NodeRoom]:
        assert cluster
        return [NodeRoom(2, 0)] * self.nodes

    def later(self, nodes: int) -> None:
        self.nodes = nodes
        self.now += looking.LOOK_SECONDS + 1


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> Growing:
    return Growing(monkeypatch)


def test_a_cluster_is_used_as_it_is(growing: Growing) -> None:
    capacity = Capacity(_resources(cluster=True), growing.rooms)
    assert capacity.trials() == 2
    growing.nodes = 3
    assert capacity.trials() == 2, "it looks now and then"
    growing.later(nodes=3)
    assert capacity.trials() == 6
    growing.later(nodes=1)
    assert capacity.trials() == 2
    growing.later(nodes=0)
    assert capacity.trials() == 1, "one waits for the next node"


def test_no_more_are_under_way_than_are_wanted(growing: Growing) -> None:
    capacity = Capacity(_resources(cluster=True, bound=3), growing.rooms)
    growing.later(nodes=10)
    assert capacity.trials() == 3


def test_one_machine_does_not_grow(growing: Growing) -> None:
    capacity = Capacity(_resources(cluster=False), growing.rooms)
    growing.later(nodes=10)
    assert capacity.trials() == 2


def _resources(*, cluster: bool, bound: int | None = None) -> Resources:
    return Resources(
        cpus_per_trial=1, gpus_per_trial=0, max_concurrent=2, cluster=cluster, bound=bound
    )
