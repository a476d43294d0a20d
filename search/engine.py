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
from ray import tune

from search.carried_data import carried_data
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


def run_trials(
    ledger: TrialLedger,
    workplace: Workplace,
    folder: Path,
    *,
    keep_final_state: bool,
) -> dict[int, Path]:
    """Run every trial that the ledger gives out, and return where each left its final state.

    On the first Ctrl-C Tune comes to rest between two events; then the trials under way are closed
    in the ledger as failed, and `KeyboardInterrupt` is raised here, where nothing is half done.

    Args:
        ledger: gives out the trials, and takes in how they go.
        workplace: the data, each trial's part of the machine, and how many run at once.
        folder: for what Tune writes; absolute.
        keep_final_state: whether every trial that did not fail saves its state in the end; if not,
            the result is empty.
    """
    failures: dict[str, str] = {}
    resources = workplace.resources
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(DLFTrainable, carried=carried_data(workplace.data)),
            {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial},
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
