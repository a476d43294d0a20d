"""What each trial gets of a machine, and how many run at once."""

import time
from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict

from dlf.command import BadInputError
from search.arguments import AUTO, GpusPerTrial
from search.cluster.nodes import refuse_other_versions
from search.cluster.rooms import rooms_of_nodes, trials_that_fit
from tracking.run_names import GPU_SHARE_TAG
from tracking.terminal.console import say_on_stderr

DEFAULT_GPU_SHARE = 0.25
LOOK_SECONDS = 2.0


class Resources(BaseModel):
    """What each trial gets, and how many run at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus_per_trial: float
    gpus_per_trial: float
    max_concurrent: int
    """as many as fit when it is settled"""
    cluster: bool = False
    """whether nodes may join and be lost meanwhile, and `max_concurrent` with them"""
    bound: int | None = None
    """on the trials at once, however many fit"""
    measured: str | None = None
    """what the share of a GPU rests on, where it was measured"""

    @property
    def device(self) -> str:
        """The device of every trial."""
        return "cuda" if self.gpus_per_trial > 0 else "cpu"

    @property
    def driver_device(self) -> str:
        """The device of what the driver itself computes, whose machine may have no GPU."""
        return self.device if torch.cuda.is_available() else "cpu"

    @property
    def share(self) -> str:
        """What a trial gets, in words."""
        cpus = f"{self.cpus_per_trial:g} CPU"
        return f"{self.gpus_per_trial:g} GPU, {cpus}" if self.gpus_per_trial else cpus

    def tags(self) -> dict[str, str]:
        """Return what tracking says of them."""
        return {} if self.measured is None else {GPU_SHARE_TAG: self.measured}


def fit_resources(
    cpus_per_trial: float,
    gpus_per_trial: GpusPerTrial,
    max_concurrent: int | None,
    *,
    cluster: bool = False,
    tell: Callable[[str], None] = say_on_stderr,
) -> Resources:
    """Settle how many trials run at once; on a cluster, wait until one fits.

    Args:
        cpus_per_trial: CPUs, or a fraction of one.
        gpus_per_trial: GPUs, or a fraction of one; none, and until it is measured `auto`, for a
            quarter where there is a GPU.
        max_concurrent: an upper bound, or none.
        cluster: whether Ray has other machines than this one.
        tell: hears what is waited for.

    Raises:
        BadInputError: when not even one trial fits on this machine, which will not grow, or when a
            node of the cluster has other versions of what trains.
    """
    waits = False
    while True:
        rooms = rooms_of_nodes(cluster=cluster)
        share = gpus_per_trial
        if share is None or share == AUTO:
            share = DEFAULT_GPU_SHARE if any(room.gpus for room in rooms) else 0.0
        fitting = trials_that_fit(rooms, cpus_per_trial, share)
        if fitting:
            break
        if not cluster:
            (here,) = rooms
            raise BadInputError(
                f"a trial of {_words(cpus_per_trial, share)} does not fit on this machine of "
                f"{_words(here.cpus, here.gpus)} that torch can use; lower --cpus-per-trial or "
                "--gpus-per-trial"
            )
        if not waits:
            waits = True
            there = ", ".join(_words(room.cpus, room.gpus) for room in rooms if room.cpus)
            tell(
                f"waiting for a node with room for a trial of {_words(cpus_per_trial, share)}; "
                f"there are nodes of {there or 'no CPUs at all'}"
            )
        time.sleep(LOOK_SECONDS)
    if cluster:
        refuse_other_versions()
    return Resources(
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=share,
        max_concurrent=min(fitting, max_concurrent or fitting),
        cluster=cluster,
        bound=max_concurrent,
    )


def _words(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPUs and {gpus:g} GPUs"
