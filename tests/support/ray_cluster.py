"""A Ray cluster on this machine: a head without CPUs, and nodes that can be added and killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ray._private.node import Node
from ray.cluster_utils import Cluster


class RayCluster:
    """Real nodes, each with processes of its own, which forget everything in the end."""

    def __init__(self) -> None:
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_node(self, cpus: int = 1, gpus: int = 0, **environment: str) -> Node:
        return self._cluster.add_node(num_cpus=cpus, num_gpus=gpus, env_vars=environment)

    def kill_node(self, node: Node) -> None:
        """Kill a node as a power cut would, with the workers on it."""
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_head(self) -> None:
        self._cluster.head_node.kill_gcs_server()

    def end(self) -> None:
        self._cluster.shutdown()


def tokens() -> dict[str, str]:
    """Return what a driver must have of this environment, where such a cluster asks for a token.

    A Ray that this process holds beside the cluster turns tokens on for both.
    """
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")}


@contextmanager
def running_cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        cluster.end()
