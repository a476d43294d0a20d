"""What the nodes of a cluster must have in common with the machine that drives them."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from uuid import uuid4

import ray
from pydantic import BaseModel, ConfigDict
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dlf.command import BadInputError, one_line
from search.checkpoints import Checkpoints

PACKAGES = ("numpy", "pyarrow", "pydantic", "safetensors", "torch", "transformers")
"""of Ray and Python themselves Ray lets no other version in"""

ANSWER_SECONDS = 180.0
"""a node installs the code that it was sent before it answers"""


class NodeReport(BaseModel):
    """What a node says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    versions: Mapping[str, str]
    sees_checkpoints: bool


def training_nodes() -> list[str]:
    """Return the ids of the living nodes that have CPUs for trials."""
    return [n["NodeID"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) > 0]


def refuse_other_versions(nodes: Sequence[str]) -> None:
    """Raise `BadInputError` when a node has other versions of what trains than this machine."""
    ours = _versions()
    for report in _reports(nodes, None, ""):
        other = [
            f"{name} {report.versions[name]} (here {own})"
            for name, own in ours.items()
            if report.versions[name] != own
        ]
        if other:
            raise BadInputError(
                f"the node {report.host} of the cluster has {', '.join(other)}; install the same "
                "there and here, from one constraints.txt"
            )


def refuse_unseen(checkpoints: Checkpoints, nodes: Sequence[str]) -> None:
    """Raise `BadInputError` when a node cannot reach the folder of checkpoints."""
    token = uuid4().hex
    try:
        checkpoints.leave_mark(token)
    except OSError as error:
        raise BadInputError(
            f"the checkpoints in {checkpoints.folder} cannot be written ({one_line(error)}); "
            "choose another --output"
        ) from error
    blind = [r.host for r in _reports(nodes, checkpoints, token) if not r.sees_checkpoints]
    if blind:
        raise BadInputError(
            f"the node {blind[0]} does not see {checkpoints.folder}, where trials keep their "
            "checkpoints; --output must be a folder that all nodes share, at the same path, or on "
            "a file system such as s3://bucket/runs"
        )


def _reports(nodes: Sequence[str], checkpoints: Checkpoints | None, token: str) -> list[NodeReport]:
    place = None if checkpoints is None else checkpoints.model_dump_json()
    asked = [
        _report.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote(place, token)
        for node in nodes
    ]
    try:
        return [
            NodeReport.model_validate_json(answer)
            for answer in ray.get(asked, timeout=ANSWER_SECONDS)
        ]
    except GetTimeoutError as error:
        raise BadInputError(
            f"a node of the cluster does not answer within {ANSWER_SECONDS:.0f} s; `ray status` on "
            "its head lists them"
        ) from error
    except RayError as error:
        raise BadInputError(
            f"a node of the cluster cannot run our code: {one_line(error)[-300:]}"
        ) from error


@ray.remote
def _report(checkpoints: str | None, token: str) -> str:
    sees = checkpoints is not None and Checkpoints.model_validate_json(checkpoints).has_mark(token)
    report = NodeReport(host=platform.node(), versions=_versions(), sees_checkpoints=sees)
    return report.model_dump_json()


def _versions() -> dict[str, str]:
    """Return the versions that matter, builds of one version for other accelerators alike."""
    return {name: _version(name).partition("+")[0] for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not at all"
