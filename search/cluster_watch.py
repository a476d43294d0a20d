"""Looks after a cluster while a search runs on it: its head, and the nodes that come and go."""

from collections.abc import Callable, Sequence

import ray

from dlf.command import BadInputError
from search.checkpoints import Checkpoints
from search.cluster_nodes import refuse_other_versions, refuse_unseen, training_nodes
from search.ray_head import HeadWatch


class ClusterWatch:
    """Knows the nodes that trials run on, and tells of those that join and are lost."""

    def __init__(self, checkpoints: Checkpoints, tell: Callable[[str], None]) -> None:
        """Begin to watch; raise `BadInputError` when a node cannot reach the checkpoints."""
        self._checkpoints = checkpoints
        self._tell = tell
        self._nodes = set(training_nodes())
        refuse_unseen(checkpoints, list(self._nodes))
        self._head = HeadWatch()

    def close(self) -> None:
        """Watch no more."""
        self._head.close()

    def look(self) -> None:
        """Tell what has changed.

        Raises:
            WorkFailedError: when the head of the cluster is gone.
        """
        self._head.refuse_if_gone()
        now = set(training_nodes())
        joined, lost = sorted(now - self._nodes), sorted(self._nodes - now)
        self._nodes = now
        if lost:
            self._tell(f"lost {_names(lost)}; trials that ran there go on elsewhere")
        if joined:
            try:
                refuse_other_versions(joined)
                refuse_unseen(self._checkpoints, joined)
            except BadInputError as error:
                self._tell(f"{_names(joined)} joined and will not do: {error}")
            else:
                self._tell(f"{_names(joined)} joined, and is used from now on")


def _names(nodes: Sequence[str]) -> str:
    hosts = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes()}
    return f"node {', '.join(hosts[node] for node in nodes)}"
