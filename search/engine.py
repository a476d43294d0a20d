"""Runs the trials of a source on Ray Tune: several at once, in workers that are used again.

Both the search and its promotion come through here.
"""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import torch
from pydantic import BaseModel, ConfigDict
from ray import tune

from dlf.command import BadInputError
from search.ledger import TrialLedger
from search.trainable import PLAN, WORKPLACE, DLFTrainable, Workplace
from search.trials import TrialPlan
from search.tune_adapters import LedgerScheduler, LedgerSearcher

RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
DEFAULT_GPU_SHARE = 0.25


class Resources(BaseModel):
    """What each trial gets, and how many run at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus_per_trial: float
    gpus_per_trial: float
    max_concurrent: int


@contextmanager
def local_ray() -> Iterator[None]:
    """Hold a Ray instance on this machine, or use the one that this process holds already."""
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    if ray.is_initialized():
        yield
        return
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
    )
    try:
        yield
    finally:
        ray.shutdown()


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


def run_trials(
    ledger: TrialLedger,
    workplace: Workplace,
    resources: Resources,
    folder: Path,
    *,
    keep_final_state: bool,
) -> dict[int, Path]:
    """Run every trial that the ledger gives out, and return where each left its final state.

    On the first Ctrl-C Tune comes to rest between two events; then the trials under way are closed
    in the ledger as failed, and `KeyboardInterrupt` is raised here, where nothing is half done.

    Args:
        ledger: gives out the trials, and takes in how they go.
        workplace: the data, and each trial's part of the machine.
        resources: how many at once.
        folder: for what Tune writes; absolute.
        keep_final_state: whether every trial that did not fail saves its state in the end; if not,
            the result is empty.
    """
    failures: dict[str, str] = {}
    tuner = tune.Tuner(
        tune.with_resources(
            DLFTrainable, {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial}
        ),
        param_space={WORKPLACE: workplace.model_dump_json()},
        tune_config=tune.TuneConfig(
            search_alg=LedgerSearcher(ledger, failures),
            scheduler=LedgerScheduler(ledger, failures),
            num_samples=-1,
            max_concurrent_trials=resources.max_concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"trial-{_plan_of(trial.config).number}",
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=keep_final_state),
        ),
    )
    handler = signal.getsignal(signal.SIGINT)
    try:
        results = tuner.fit()
    finally:
        signal.signal(signal.SIGINT, handler)
        interrupted = not ledger.done
        ledger.break_off()
    if interrupted:
        raise KeyboardInterrupt
    return {
        _plan_of(result.config).number: Path(result.checkpoint.path)
        for result in (results[i] for i in range(len(results)))
        if result.checkpoint is not None and result.config is not None
    }


def _plan_of(config: dict[str, Any]) -> TrialPlan:
    return TrialPlan.model_validate_json(config[PLAN])


def _trials_on_gpus(gpus: float, share: float) -> int:
    if share >= 1:
        return int(gpus / share)
    return int(gpus) * int(1 / share)
