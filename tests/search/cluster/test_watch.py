"""What is told, and what ends a search, when nodes join and are lost; the real ones are elsewhere.

`test_cluster.py` has clusters whose nodes come and go; here every order of it is tried.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlf.command import BadInputError, WorkFailedError
from dlf.text.source import TextSource
from search.cluster.nodes import NodeReport, _versions
from search.cluster.watch import ClusterWatch
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData


class Nodes:
    """The nodes of a cluster, as Ray tells of them."""

    def __init__(self) -> None:
        self.there: list[str] = ["a"]
        self.silent: set[str] = set()
        """that have not answered yet"""
        self.gone: set[str] = set()
        """that were lost before they answered"""
        self.reports: dict[str, dict[str, Any]] = {}
        """what nodes say otherwise than that all is well"""

    def answers(self, asked: list[str]) -> list[NodeReport]:
        if self.gone.intersection(asked):
            raise BadInputError("a node of the cluster cannot run our code")
        well = {"versions": _versions(), "sees_checkpoints": True, "sees_data": True}
        return [NodeReport(host=node, **{**well, **self.reports.get(node, {})}) for node in asked]

    def wait(self, asked: list[str], timeout: float) -> tuple[list[str], list[str]]:
        return [node for node in asked if node not in self.silent], []


class Head:
    """A head that answers."""

    def __init__(self) -> None:
        self.watched = True

    def refuse_if_gone(self) -> None:
        """Find it there."""

    def close(self) -> None:
        self.watched = False


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    nodes = Nodes()
    everyone = [{"NodeID": node, "NodeManagerHostname": f"host-{node}"} for node in "abc"]
    monkeypatch.setattr("search.cluster.watch.training_nodes", lambda: nodes.there)
    monkeypatch.setattr("search.cluster.watch.ask", lambda node, _: node)
    monkeypatch.setattr("search.cluster.watch.answers", nodes.answers)
    monkeypatch.setattr("search.cluster.watch.HeadWatch", Head)
    monkeypatch.setattr("ray.wait", nodes.wait)
    monkeypatch.setattr("ray.nodes", lambda: everyone)
    return nodes


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def begin(nodes: Nodes, tmp_path: Path, told: list[str]) -> Callable[[], ClusterWatch]:
    """Begin to watch the nodes."""
    data = TrialData(
        dataset="mosi",
        dataset_digest="0",
        data_dir=tmp_path / "data",
        text=TextSource(way="precomputed"),
    )
    return lambda: ClusterWatch(Checkpoints(folder=tmp_path), data, told.append)


def test_a_node_that_joins_is_used_once_it_has_answered(
    nodes: Nodes, begin: Callable[[], ClusterWatch], told: list[str]
) -> None:
    watch = begin()
    watch.look()
    nodes.there, nodes.silent = ["a", "b"], {"b"}
    watch.look()
    assert told == []
    nodes.silent.clear()
    watch.look()
    watch.look()
    assert told == ["node host-b joined, and is used from now on"]


def test_lost_nodes_are_told_once(
    nodes: Nodes, begin: Callable[[], ClusterWatch], told: list[str]
) -> None:
    nodes.there = ["a", "b", "c"]
    watch = begin()
    nodes.there = ["a"]
    watch.look()
    watch.look()
    assert told == ["lost node host-b, host-c; a trial that ran there goes on elsewhere"]


def test_a_node_that_is_lost_before_it_answers_is_no_fault(
    nodes: Nodes, begin: Callable[[], ClusterWatch], told: list[str]
) -> None:
    watch = begin()
    nodes.there, nodes.gone = ["a", "b"], {"b"}
    watch.look()
    nodes.there = ["a"]
    watch.look()
    assert told == ["lost node host-b; a trial that ran there goes on elsewhere"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sees_checkpoints": False}, "the node b does not see .*, where trials keep their"),
        ({"versions": {**_versions(), "torch": "1.0"}}, r"the node b .* has torch 1\.0"),
        ({"sees_data": False}, "the node b does not see the data in .*data; then, or without"),
    ],
)
def test_a_node_that_joins_and_will_not_do_ends_the_search(
    nodes: Nodes, begin: Callable[[], ClusterWatch], said: dict[str, Any], words: str
) -> None:
    watch = begin()
    nodes.there, nodes.reports = ["a", "b"], {"b": said}
    with pytest.raises(WorkFailedError, match=f"a node has joined that will not do: {words}"):
        watch.look()


def test_where_data_is_carried_a_node_need_not_see_it(
    nodes: Nodes, begin: Callable[[], ClusterWatch], told: list[str]
) -> None:
    nodes.reports = {node: {"sees_data": False} for node in "ab"}
    watch = begin()
    assert watch.carries_data
    nodes.there = ["a", "b"]
    watch.look()
    assert told == ["node host-b joined, and is used from now on"]


def test_a_node_that_will_not_do_keeps_a_search_from_beginning(
    nodes: Nodes, begin: Callable[[], ClusterWatch]
) -> None:
    nodes.reports = {"a": {"sees_checkpoints": False}}
    with pytest.raises(BadInputError, match="the node a does not see"):
        begin()


def test_checkpoints_that_cannot_be_written_are_told(
    begin: Callable[[], ClusterWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave_mark(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Checkpoints, "leave_mark", leave_mark)
    with pytest.raises(BadInputError, match=r"cannot be written \(.*disk full\); choose another"):
        begin()
