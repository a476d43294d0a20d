"""What the nodes of a cluster must have in common with the machine that drives them."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import ray
from pydantic import BaseModel, ConfigDict
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dlf.command import BadInputError, one_line
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData

PACKAGES = ("numpy", "pyarrow", "pydantic", "safetensors", "torch", "transformers")
"""of Ray and Python themselves Ray lets no other version in"""

ANSWER_SECONDS = 180.0
"""a node installs the code that it was sent before it answers"""


class NodeQuestion(BaseModel):
    """What a node is asked beside its versions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoints: Checkpoints
    mark: str
    """that was left with the checkpoints"""
    data: TrialData


class NodeReport(BaseModel):
    """What a node says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    versions: Mapping[str, str]
    sees_checkpoints: bool = False
    sees_data: bool = False

    def other_versions(self) -> str | None:
        """Return what is wrong with its versions, in words."""
        other = [
            f"{name} {self.versions[name]} (here {own})"
            for name, own in _versions().items()
            if self.versions[name] != own
        ]
        if not other:
            return None
        return (
            f"the node {self.host} of the cluster has {', '.join(other)}; install the same there "
            "and here, from one constraints.txt"
        )

    def unfit(self, question: NodeQuestion) -> str | None:
        """Return why no trial can run there, in words; data that it does not see can be carried."""
        if not self.sees_checkpoints:
            return (
                f"the node {self.host} does not see {question.checkpoints.folder}, where trials "
                "keep their checkpoints; --output must be a folder that all nodes share, at the "
                "same path, or on a file system such as s3://bucket/runs"
            )
        return self.other_versions()


def training_nodes() -> list[str]:
    """Return the ids of the living nodes that have CPUs for trials."""
    return [n["NodeID"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) > 0]


def ask(node: str, question: NodeQuestion | None) -> "ray.ObjectRef[str]":
    """Ask a node, which answers when it has the code that it was sent."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    asked = None if question is None else question.model_dump_json()
    answer: ray.ObjectRef[str] = _report.options(num_cpus=0, scheduling_strategy=there).remote(
        asked
    )
    return answer


def answers(asked: Sequence["ray.ObjectRef[str]"]) -> list[NodeReport]:
    """Wait for what nodes say.

    Raises:
        BadInputError: when one of them does not answer.
    """
    try:
        said = ray.get(list(asked), timeout=ANSWER_SECONDS)
    except GetTimeoutError as error:
        raise BadInputError(
            f"a node of the cluster does not answer within {ANSWER_SECONDS:.0f} s; `ray status` on "
            "its head lists them"
        ) from error
    except RayError as error:
        raise BadInputError(
            f"a node of the cluster cannot run our code: {one_line(error)[-300:]}"
        ) from error
    return [NodeReport.model_validate_json(answer) for answer in said]


def refuse_other_versions() -> None:
    """Raise `BadInputError` when a node has other versions of what trains than this machine."""
    for report in answers([ask(node, None) for node in training_nodes()]):
        wrong = report.other_versions()
        if wrong is not None:
            raise BadInputError(wrong)


@ray.remote
def _report(asked: str | None) -> str:
    report = NodeReport(host=platform.node(), versions=_versions())
    if asked is not None:
        question = NodeQuestion.model_validate_json(asked)
        seen = {
            "sees_checkpoints": question.checkpoints.has_mark(question.mark),
            "sees_data": _sees(question.data),
        }
        report = report.model_copy(update=seen)
    return report.model_dump_json()


def _sees(data: TrialData) -> bool:
    try:
        data.open()
    except (BadInputError, RuntimeError):
        return False
    return True


def _versions() -> dict[str, str]:
    """Return the versions that matter, builds of one version for other accelerators alike."""
    return {name: _version(name).partition("+")[0] for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not at all"
