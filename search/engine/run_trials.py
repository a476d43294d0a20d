"""Runs the trials of a source on Ray Tune: several at once, in workers that are used again.

Both the search and its promotion come through here.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from ray import tune
from ray.tune.experiment import Trial

from search.cluster.carried_data import carried_data
from search.cluster.ray_head import refuse_if_ray_died
from search.cluster.watch import ClusterWatch
from search.engine.interruption import interruptible
from search.engine.ledger import TrialLedger
from search.engine.second_chances import SecondChances
from search.engine.trainable import PLAN, DLFTrainable, Workplace
from search.engine.tune_adapters import (
    Books,
    Brake,
    BrakePulledError,
    LedgerScheduler,
    LedgerSearcher,
)
from search.engine.tune_log import TuneLog
from search.engine.waiting import Waiting
from search.resources.capacity import Capacity
from search.trial.plan import TrialPlan
from tracking.study_files import TUNE_FOLDER
from tracking.terminal.console import say_on_stderr

NO_BOUND = 100_000
"""for Tune, which would otherwise begin one trial at a time; how many really is the searcher's"""


def run_trials(
    ledger: TrialLedger,
    workplace: Workplace,
    folder: Path,
    *,
    look: Callable[[], None] = lambda: None,
    on_interrupt: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = say_on_stderr,
    trainable: type[tune.Trainable] = DLFTrainable,
) -> None:
    """Run every trial that the ledger gives out.

    Whatever goes wrong in the driver ends the run between two events of Tune and is raised here,
    the first Ctrl-C as `KeyboardInterrupt`. Trials that are then under way stay so.

    Args:
        ledger: gives out the trials, and takes in how they go.
        workplace: the data, each trial's part of the machine, and how many run at once.
        folder: for what Tune writes; absolute.
        look: called now and then; what it raises ends the run.
        on_interrupt: called on the first Ctrl-C; ends what the driver may be waiting for.
        tell: hears of nodes that join and are lost, and what is waited for.
        trainable: what trains.

    Raises:
        BadInputError: when a node of a cluster will not do, since it cannot reach the checkpoints
            perhaps.
    """
    resources = workplace.resources
    waiting = Waiting(resources, tell)
    # Of no use to anybody once Tune has ended; what it said is in the log beside it.
    shutil.rmtree(folder / TUNE_FOLDER, ignore_errors=True)
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder / TUNE_FOLDER, ignore_errors=True)
        cluster, carried = None, None
        if resources.cluster:
            cluster = held.enter_context(
                closing(ClusterWatch(workplace.checkpoints, workplace.data, tell))
            )
            carried = carried_data(workplace.data) if cluster.carries_data else None

        def look_around() -> None:
            if cluster is not None:
                cluster.look()
            waiting.look(ledger.keys)
            look()

        brake = Brake(look_around, refuse_if_ray_died)
        log = held.enter_context(closing(TuneLog(folder)))
        chances = SecondChances(cluster=resources.cluster)
        books = Books(ledger, log, workplace.checkpoints, chances)
        tuner = tune.Tuner(
            tune.with_resources(
                # Tune writes down the space, and the workplace may have the keys of a file system.
                tune.with_parameters(trainable, workplace=workplace, carried=carried),
                {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial},
            ),
            tune_config=tune.TuneConfig(
                search_alg=LedgerSearcher(books, brake, Capacity(resources)),
                scheduler=LedgerScheduler(books, brake),
                num_samples=-1,
                max_concurrent_trials=NO_BOUND,
                reuse_actors=True,
                trial_dirname_creator=_folder_name,
            ),
            run_config=tune.RunConfig(
                name=TUNE_FOLDER,
                storage_path=str(folder),
                verbose=0,
                stop=brake,
                callbacks=[waiting],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )

        def rest() -> None:
            brake.cause = brake.cause or KeyboardInterrupt()
            on_interrupt()

        with interruptible(rest):
            with suppress(BrakePulledError):
                tuner.fit()
                brake.stop_all()
            if brake.cause is not None:
                raise brake.cause


def _folder_name(trial: Trial) -> str:
    """Return a name of its own for every attempt at a trial."""
    plan = TrialPlan.model_validate_json(trial.config[PLAN])
    return f"trial-{plan.number}-{trial.trial_id}"
