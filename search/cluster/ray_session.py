"""The Ray that a command trains on: one of this machine alone, or a cluster that it joins.

A cluster is sent this code, so that its nodes need our dependencies and not the project.
"""

import json
import logging
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import ray
from ray._private.node import Node
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RaySystemError

import dlf
import search
import tracking
from dlf.command import BadInputError, one_line
from search.cluster.joined_node import joined_node

ADDRESS_VARIABLE = "RAY_ADDRESS"
ALONE, ANY_HERE, CLIENT = "local", "auto", "ray://"

RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

CONNECT_SECONDS = 5.0
_METADATA_KEY, _METADATA_SPACE = b"CLUSTER_METADATA", b"cluster"


class Head(NamedTuple):
    """Where the head of a cluster listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, address: str) -> "Head":
        """Read HOST:PORT; raise `BadInputError` for anything else."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or "/" in host:
            raise BadInputError(
                f"{address!r} is not the address of a Ray cluster: that is HOST:PORT of its head, "
                "such as ray-head:6379, or auto for one on this machine"
            )
        return cls(host.strip("[]"), int(port))

    def answers(self) -> bool:
        """Tell whether anything listens there.

        Raises:
            ConnectionRefusedError: when the machine says that nothing does.
        """
        try:
            with socket.create_connection(self, timeout=CONNECT_SECONDS):
                return True
        except ConnectionRefusedError:
            raise
        except OSError:
            return False

    def is_there(self) -> bool:
        """Tell the same, without a difference between silence and a refusal."""
        try:
            return self.answers()
        except ConnectionRefusedError:
            return False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@contextmanager
def ray_session(address: str | None = None) -> Iterator[bool]:
    """Hold a Ray to train on, or use the one that this process holds already.

    Args:
        address: HOST:PORT of a cluster's head, or `auto` for a cluster that has a node here; none
            for $RAY_ADDRESS, and without that, or with `local`, a Ray of this machine alone.

    Yields:
        Whether it is a cluster, whose nodes may come and go.

    Raises:
        BadInputError: when there is no such cluster, or it cannot be used from here.
    """
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    address = address or os.environ.get(ADDRESS_VARIABLE) or ALONE
    if ray.is_initialized():
        yield address != ALONE
        return
    # Ray would print what befalls its workers among the lines of a search, or before its JSON.
    ray._private.worker._worker_logs_enabled = False
    with ExitStack() as held:
        if address == ALONE:
            with _without_api_server():
                ray.init(
                    address=ALONE,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
        elif address == ANY_HERE:
            _connect(address)
        else:
            _enter(address, held)
        held.callback(ray.shutdown)
        yield address != ALONE


def _without_api_server() -> AbstractContextManager[object]:
    """Keep Ray from starting the server that a dashboard is a part of.

    Without a dashboard it does nothing but count usage; and with that off, too, it first asks the
    network which cloud it is in.
    """
    return patch.object(Node, "start_api_server")


def _enter(address: str, held: ExitStack) -> None:
    """Connect to a cluster, through a node of it on this machine: one of our own if need be."""
    if address.startswith(CLIENT):
        raise BadInputError(
            f"a search does not run through Ray's client, which {address} is for; give HOST:PORT "
            "of the head itself, such as ray-head:6379"
        )
    head = Head.parse(address)
    if not head.is_there():
        raise BadInputError(
            f"no Ray head answers at {head}: start it there with ray start --head, or correct "
            f"--ray-address or ${ADDRESS_VARIABLE}"
        )
    try:
        client = GcsClient(address=str(head))
        _refuse_other_versions(client, head)
        here = any(
            Path(node.raylet_socket_name).exists()
            for node in client.get_all_node_info().values()
            # The socket of a node that was killed stays where it was.
            if node.state == GcsNodeInfo.GcsNodeState.ALIVE
        )
    except (AuthenticationError, RaySystemError, ray.exceptions.RpcError) as error:
        raise BadInputError(
            f"the Ray head at {head} does not let us in ({one_line(error)[:200]}); RAY_AUTH_MODE "
            "and RAY_AUTH_TOKEN must be the same here and there"
        ) from error
    if not here:
        held.enter_context(joined_node(str(head)))
    _connect(str(head))


def _connect(address: str) -> None:
    packages = [str(Path(package.__path__[0])) for package in (dlf, search, tracking)]
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={"py_modules": packages, "env_vars": RAY_SETTINGS},
        )
    except (ConnectionError, RuntimeError) as error:
        raise BadInputError(
            f"the Ray cluster at {address} cannot be used: {one_line(error)[:300]}"
        ) from error


def _refuse_other_versions(client: GcsClient, head: Head) -> None:
    """Raise `BadInputError` when the cluster runs another Ray or Python than we do."""
    metadata = client.internal_kv_get(_METADATA_KEY, _METADATA_SPACE)
    there = json.loads(metadata) if metadata else {}
    ours = {"ray_version": ray.__version__, "python_version": platform.python_version()}
    for name, own in ours.items():
        theirs = there.get(name, own)
        if theirs != own:
            word = name.partition("_")[0].capitalize()
            raise BadInputError(
                f"the Ray cluster at {head} runs {word} {theirs} and this machine {word} {own}; "
                "install the same there and here"
            )
