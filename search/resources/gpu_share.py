"""The share of a GPU that each trial gets when it is to be found out: `--gpus-per-trial auto`."""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from dlf.config import Config
from search.arguments import AUTO, TrainingRequest
from search.cluster.rooms import NodeRoom, rooms_of_nodes
from search.resources.allotment import Resources, fit_resources
from search.resources.gpu_memory import CONTEXT, GIGABYTE, CudaMeter
from search.resources.memory_probe import Measured, measure
from search.spaces.largest import distinct_in_memory
from search.trial.data import TrialData

MARGIN = 0.2
"""that is left free of what the largest configuration takes, since not all batches were seen"""

MOST_AT_ONCE = 8
"""trials on a GPU: more of them only wait for each other"""

NO_GPU = "0 GPUs per trial: there is none that torch can use"

UNITS = 10_000
"""the parts in which Ray counts a GPU"""


class GpuShare(BaseModel):
    """How many trials share a GPU, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_once: int
    reason: str

    @property
    def gpus_per_trial(self) -> float:
        """The share, rounded down, so that as many fit as are meant to."""
        return math.floor(UNITS / self.at_once) / UNITS

    def __str__(self) -> str:
        return f"{self.gpus_per_trial:g} GPU per trial: {self.reason}"


def share_of(measured: Measured, most: int) -> GpuShare:
    """Return how many trials share a GPU, by what the largest of them took.

    A trial also gets room for the data to lie on the GPU, which takes no more than half of what a
    model has left there (`dlf.training.placement`).

    Args:
        measured: the figures.
        most: that something else allows.
    """
    there = f"{measured.total / GIGABYTE:.1f} GB"
    if measured.peak is None:
        return GpuShare(
            at_once=1, reason=f"the largest configuration needs more than all {there} of one"
        )
    needed = measured.peak + max(math.ceil(MARGIN * measured.peak), measured.data) + CONTEXT
    fitting = max(1, measured.total // needed)
    taken = f"{(measured.peak + CONTEXT) / GIGABYTE:.1f} GB of {there}"
    reason = f"the largest configuration took {taken}, {fitting} fit with a margin of {MARGIN:.0%}"
    if fitting > most:
        reason += f", and {most} are the most that the CPUs and a GPU are good for"
    return GpuShare(at_once=min(fitting, most), reason=reason)


def most_on_a_gpu(rooms: Sequence[NodeRoom], cpus_per_trial: float) -> int:
    """Return how many trials may share a GPU at most, by the CPUs of the nodes that have any."""
    with_gpus = [room for room in rooms if room.gpus]
    by_cpus = max((int(room.cpus / cpus_per_trial / room.gpus) for room in with_gpus), default=1)
    return max(1, min(by_cpus, MOST_AT_ONCE))


def settle_share(
    request: TrainingRequest,
    resources: Resources,
    data: TrialData,
    configs: Sequence[Config],
    *,
    replicates: int = 1,
) -> Resources:
    """Return the resources with the share of a GPU measured, where that is asked for.

    Args:
        request: the flags.
        resources: as they are without measuring.
        data: that is trained on, prepared.
        configs: the largest that may be trained, or all of them.
        replicates: trainings of a trial that lie on the GPU together.

    Raises:
        WorkFailedError: when it cannot be measured.
    """
    if request.gpus_per_trial != AUTO:
        return resources
    if not resources.gpus_per_trial:
        return _said(request, resources, NO_GPU)
    most = most_on_a_gpu(rooms_of_nodes(cluster=resources.cluster), request.cpus_per_trial)
    if not request.json_only:
        print("measuring what the largest configuration takes, as soon as a GPU is free")
    distinct = distinct_in_memory(configs)
    measured = measure(data, distinct, replicates=replicates, meter=CudaMeter())
    share = share_of(measured, most)
    fitted = fit_resources(
        request.cpus_per_trial,
        share.gpus_per_trial,
        request.max_concurrent,
        cluster=resources.cluster,
    )
    return _said(request, fitted, str(share))


def tell_unmeasured(request: TrainingRequest, resources: Resources) -> None:
    """Say in a dry run what is taken in place of a share that would be measured."""
    if request.gpus_per_trial == AUTO:
        print(
            f"{resources.gpus_per_trial:g} GPU per trial is assumed here; how much the largest "
            "configuration takes is measured when training begins"
            if resources.gpus_per_trial
            else NO_GPU
        )


def _said(request: TrainingRequest, resources: Resources, words: str) -> Resources:
    if not request.json_only:
        print(words)
    return resources.model_copy(update={"measured": words})
