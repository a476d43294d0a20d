"""How many trials run at once, and what is waited for where none fits."""

from collections.abc import Sequence

import pytest

from dlf.command import BadInputError
from search.arguments import AUTO
from search.cluster.rooms import NodeRoom
from search.resources.allotment import fit_resources

SMALL, LARGE = NodeRoom(cpus=2, gpus=0), NodeRoom(cpus=8, gpus=2)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[NodeRoom]]:
    """What each look at the nodes will see; the last of it from then on."""
    seen: list[Sequence[NodeRoom]] = []

    def rooms(*, cluster: bool) -> Sequence[NodeRoom]:
        return seen.pop(0) if len(seen) > 1 else seen[0]

    monkeypatch.setattr("search.resources.allotment.rooms_of_nodes", rooms)
    monkeypatch.setattr("search.resources.allotment.LOOK_SECONDS", 0.0)
    return seen


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the nodes."""
    asked: list[str] = []
    monkeypatch.setattr(
        "search.resources.allotment.refuse_other_versions", lambda: asked.append("versions")
    )
    return asked


def test_as_many_run_as_fit_and_no_more_than_are_wanted(
    looks: list[Sequence[NodeRoom]], versions: list[str]
) -> None:
    looks.append([LARGE])
    assert fit_resources(1, 0.0, None).max_concurrent == 8
    assert fit_resources(1, 0.0, 3).max_concurrent == 3
    for share in (None, AUTO):
        fitted = fit_resources(1, share, None)
        assert (fitted.gpus_per_trial, fitted.device, fitted.max_concurrent) == (0.25, "cuda", 8)
    assert versions == []


def test_what_does_not_fit_on_this_machine_is_refused(looks: list[Sequence[NodeRoom]]) -> None:
    looks.append([SMALL])
    with pytest.raises(BadInputError, match=r"a trial of 4 CPUs.* does not fit .* 2 CPUs"):
        fit_resources(4, None, None)


def test_on_a_cluster_a_node_with_room_is_waited_for_and_told_of_once(
    looks: list[Sequence[NodeRoom]], versions: list[str]
) -> None:
    told: list[str] = []
    looks += [[], [SMALL], [SMALL, LARGE]]
    fitted = fit_resources(4, None, None, cluster=True, tell=told.append)
    assert (fitted.max_concurrent, fitted.gpus_per_trial) == (2, 0.25)
    assert len(told) == 1
    assert told[0].startswith("waiting for a node with room for a trial of 4 CPUs")
    assert told[0].endswith("there are nodes of no CPUs at all")
    assert versions == ["versions"]
