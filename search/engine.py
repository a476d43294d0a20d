"""Runs the trials of a source on Ray Tune: several at once, in workers that are used again.

Both the search and its promotion come through here.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import ray
from ray import tune
from ray.tune.experiment import Trial

from search.carried_data import carried_data
from search.interruption import interruptible
from search.ledger import TrialLedger
from search.ray_head import refuse_if_ray_died
from search.trainable import PLAN, WORKPLACE, DLFTrainable, Workplace
from search.trials import TrialPlan
from search.tune_adapters import Books, Brake, BrakePulledError, LedgerScheduler, LedgerSearcher
from search.tune_log import TuneLog

RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

TUNE_FOLDER = "tune"


@contextmanager
def local_ray() -> Iterator[None]:
    """Hold a Ray instance on this machine, or use the one that this process holds already."""
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    if ray.is_initialized():
        yield
        return
    # Ray would print what befalls its workers among the lines of a search, or before its JSON.
    ray._private.worker._worker_logs_enabled = False
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
    keep_checkpoints: bool = False,
    look: Callable[[], None] = lambda: None,
    trainable: type[tune.Trainable] = DLFTrainable,
) -> None:
    """Run every trial that the ledger gives out.

    Whatever goes wrong in the driver ends the run between two events of Tune and is raised here,
    the first Ctrl-C as `KeyboardInterrupt`. Trials that are then under way stay so.

    Args:
        ledger: gives out the trials, and takes in how they go.
        workplace: the data, each trial's part of the machine, and how many run at once.
        folder: for what Tune writes; absolute.
        keep_checkpoints: whether the checkpoint of a trial outlives it.
        look: called now and then; what it raises ends the run.
        trainable: what trains.
    """
    brake = Brake(look, refuse_if_ray_died)
    resources = workplace.resources
    # Of no use to anybody once Tune has ended; what it said is in the log beside it.
    shutil.rmtree(folder / TUNE_FOLDER, ignore_errors=True)
    with closing(TuneLog(folder)) as log:
        books = Books(ledger, log, workplace.checkpoints, keep_checkpoints)
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(trainable, carried=carried_data(workplace.data)),
                {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial},
            ),
            param_space={WORKPLACE: workplace.model_dump_json()},
            tune_config=tune.TuneConfig(
                search_alg=LedgerSearcher(books, brake),
                scheduler=LedgerScheduler(books, brake),
                num_samples=-1,
                max_concurrent_trials=resources.max_concurrent,
                reuse_actors=True,
                trial_dirname_creator=_folder_name,
            ),
            run_config=tune.RunConfig(
                name=TUNE_FOLDER,
                storage_path=str(folder),
                verbose=0,
                stop=brake,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )

        def rest() -> None:
            brake.cause = brake.cause or KeyboardInterrupt()

        with interruptible(rest):
            with suppress(BrakePulledError):
                tuner.fit()
                brake.stop_all()
            if brake.cause is not None:
                raise brake.cause
    shutil.rmtree(folder / TUNE_FOLDER, ignore_errors=True)


def _folder_name(trial: Trial) -> str:
    plan = TrialPlan.model_validate_json(trial.config[PLAN])
    return f"trial-{plan.number}"
