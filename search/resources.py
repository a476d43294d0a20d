"""What each trial gets of a machine, and how many run at once."""

import ray
import torch
from pydantic import BaseModel, ConfigDict

from dlf.command import BadInputError

DEFAULT_GPU_SHARE = 0.25


class Resources(BaseModel):
    """What each trial gets, and how many run at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus_per_trial: float
    gpus_per_trial: float
    max_concurrent: int

    @property
    def device(self) -> str:
        """The device of every trial."""
        return "cuda" if self.gpus_per_trial > 0 else "cpu"

    @property
    def share(self) -> str:
        """What a trial gets, in words."""
        cpus = f"{self.cpus_per_trial:g} CPU"
        return f"{self.gpus_per_trial:g} GPU, {cpus}" if self.gpus_per_trial else cpus


def fit_resources(
    cpus_per_trial: float, gpus_per_trial: float | None, max_concurrent: int | None
) -> Resources:
    """Settle how many trials run at once, with the GPUs that both Ray and torch can use.

    Args:
        cpus_per_trial: CPUs, or a fraction of one.
        gpus_per_trial: GPUs, or a fraction of one; none for a quarter where there is a GPU.
        max_concurrent: an upper bound, or none.

    Raises:
        BadInputError: when not even one trial fits.
    """
    there = ray.cluster_resources()
    cpus = there.get("CPU", 0.0)
    gpus = there.get("GPU", 0.0) if torch.cuda.is_available() else 0.0
    if gpus_per_trial is None:
        gpus_per_trial = DEFAULT_GPU_SHARE if gpus else 0.0
    fitting = int(cpus / cpus_per_trial)
    if gpus_per_trial:
        fitting = min(fitting, _trials_on_gpus(gpus, gpus_per_trial))
    if fitting == 0:
        raise BadInputError(
            f"a trial of {cpus_per_trial:g} CPUs and {gpus_per_trial:g} GPUs does not fit on this "
            f"machine of {cpus:g} CPUs and {gpus:g} GPUs that torch can use; lower "
            "--cpus-per-trial or --gpus-per-trial"
        )
    return Resources(
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=min(fitting, max_concurrent or fitting),
    )


def _trials_on_gpus(gpus: float, share: float) -> int:
    if share >= 1:
        return int(gpus / share)
    return int(gpus) * int(1 / share)
