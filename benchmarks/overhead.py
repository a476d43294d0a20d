"""What the search costs beside training: the fixed cost of a trial, and the driver's own work.

    python -m benchmarks.overhead                  # some minutes, on two CPUs or more
    python -m benchmarks.overhead --json
    python -m benchmarks.overhead --rounds 1 --trials 10 --stock-trials 4 --driver-trials 600

Trials without work are run two at once: by our engine, by it with MLflow on sqlite, and by Ray
Tune as it comes, with its own OptunaSearch, ASHAScheduler and loggers. The fixed cost of a trial is
for how long it keeps a slot, once every slot has had its first one: the time from there to the last
end, times two, divided by the trials. What comes once in a run, the start of the workers above all,
is told apart; that of Ray is in neither. The driver without Ray is given fake trials of 20 epochs
as fast as it takes them, many of which ASHA stops, and TPE is asked in studies of so many trials.
"""

import os
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.driver_cost import DriverCost, driver_cost
from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.simulated_driver import (
    MadeUpStudy,
    Unrecorded,
    made_up_facts,
    made_up_record,
    recorder_on_sqlite,
)
from dlf.metrics import BEST_OBJECTIVE
from search.cluster.ray_session import ray_session
from search.engine.run_trials import run_trials
from search.engine.trainable import FACTS, NOTES, RECORD, Workplace
from search.resources.allotment import Resources
from search.spaces.space import Space
from search.trial.checkpoints import Checkpoints
from tracking.recorder import Recorder, Recorders
from tracking.records import Ending, Summary
from tracking.study_files import CHECKPOINTS_FOLDER

AT_ONCE = 2
"""trials without work"""
REQUIRED_TRIAL_S, WANTED_TRIAL_S = 0.3, 0.15
REQUIRED_REPORTS_PER_S = 150
REQUIRED_GROWTH_MB = 200
NAMES = {
    "ours": "our engine",
    "tracked": "our engine, MLflow on sqlite",
    "stock": "stock Tune, OptunaSearch, ASHA",
}
RECORD_JSON = made_up_record(1, 1.0, finished=True).model_dump_json()
FACTS_JSON = made_up_facts(epochs=1).model_dump_json()


class Cost(Record):
    """What trials without work took, in seconds."""

    trial: float
    """for which each one keeps a slot, after the first in every slot"""
    start: float
    """to the first end of a trial"""


class Overhead(Measurement):
    """What a search costs beside training."""

    trials: Mapping[str, int]
    """in a run, by its kind"""
    rounds: int
    trial_seconds: Mapping[str, Cost]
    """medians of the rounds, by the kind of run"""
    driver: DriverCost
    required_trial_seconds: float = REQUIRED_TRIAL_S
    required_reports_per_second: float = REQUIRED_REPORTS_PER_S
    required_growth_mb: float = REQUIRED_GROWTH_MB

    def lines(self) -> Iterator[str]:
        """Yield the costs of trials, then of the driver."""
        yield "seconds, of trials without work    a trial    start"
        for kind, cost in self.trial_seconds.items():
            yield f"  {NAMES[kind]:31}  {cost.trial:7.3f}  {cost.start:7.2f}"
        yield from ["", *self.driver.lines(), ""]


class NoWork(tune.Trainable):
    """Reports one epoch that it did not train, and is done."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], workplace: Workplace, carried: None = None
    ) -> None:
        """Do nothing."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Do nothing."""
        return True

    def step(self) -> dict[str, Any]:
        """Report."""
        return {
            RECORD: RECORD_JSON,
            FACTS: FACTS_JSON,
            NOTES: [],
            BEST_OBJECTIVE: 1.0,
            "done": True,
        }


def no_work(_config: dict[str, Any]) -> None:
    """Report once."""
    tune.report({BEST_OBJECTIVE: 1.0})


class Ends(tune.Callback):
    """Keeps when trials ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Keep when it was."""
        self.ends.append(time.perf_counter())


def cost_of(started: float, ends: list[float]) -> Cost:
    """Return the cost of trials that began at a time and ended at others."""
    return Cost(
        trial=(ends[-1] - ends[AT_ONCE - 1]) * AT_ONCE / (len(ends) - AT_ONCE),
        start=ends[0] - started,
    )


def our_cost(trials: int, *, tracked: bool) -> Cost:
    """Run trials by our engine, with TPE and ASHA, in a study of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_up = MadeUpStudy(folder, trials=trials, sampler="tpe")
        workplace = Workplace(
            data=made_up.identity.data_in(folder),
            resources=Resources(
                cpus_per_trial=cpus_per_trial(), gpus_per_trial=0, max_concurrent=AT_ONCE
            ),
            checkpoints=Checkpoints(folder=folder / CHECKPOINTS_FOLDER),
        )
        watch = Unrecorded()
        recorders: list[Recorder] = [watch]
        if tracked:
            recorders.append(recorder_on_sqlite(folder))
        recorder = Recorders(recorders)
        started = time.perf_counter()
        run_trials(made_up.ledger(recorder), workplace, made_up.place.folder, trainable=NoWork)
        recorder.finish(Summary(ending=Ending.FINISHED))
        return cost_of(started, watch.ends)


def stock_cost(trials: int) -> Cost:
    """Run trials by Tune as it comes, over a space of as many parameters as ours."""
    watch = Ends()
    space = {name: tune.loguniform(1e-5, 1e-1) for name in Space.load().parameters}
    with tempfile.TemporaryDirectory() as folder, without_our_settings():
        tuner = tune.Tuner(
            tune.with_resources(no_work, {"cpu": cpus_per_trial()}),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric=BEST_OBJECTIVE,
                mode="min",
                search_alg=OptunaSearch(),
                scheduler=ASHAScheduler(),
                num_samples=trials,
                max_concurrent_trials=AT_ONCE,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[watch]),
        )
        started = time.perf_counter()
        tuner.fit()
        return cost_of(started, watch.ends)


def cpus_per_trial() -> float:
    """Return CPUs of which there are enough for all trials at once."""
    return min(1.0, float(ray.cluster_resources()["CPU"]) / AT_ONCE)


@contextmanager
def without_our_settings() -> Iterator[None]:
    """Let Tune be as it comes, with the loggers that our engine turns off."""
    ours = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("TUNE_")}
    try:
        yield
    finally:
        os.environ.update(ours)


def trial_costs(flags: Namespace) -> dict[str, Cost]:
    """Measure all kinds of runs in turn, in some rounds; return the medians."""
    kinds: dict[str, Callable[[], Cost]] = {
        "ours": lambda: our_cost(flags.trials, tracked=False),
        "tracked": lambda: our_cost(flags.trials, tracked=True),
        "stock": lambda: stock_cost(flags.stock_trials),
    }
    found: dict[str, list[Cost]] = {kind: [] for kind in flags.kinds}
    with ray_session():
        for _ in range(flags.rounds):
            for kind, costs in found.items():
                costs.append(kinds[kind]())
    return {
        kind: Cost(
            trial=statistics.median(cost.trial for cost in costs),
            start=statistics.median(cost.start for cost in costs),
        )
        for kind, costs in found.items()
    }


def measure(flags: Namespace) -> Overhead:
    """Measure the driver, then the trials."""
    driver = driver_cost(flags.driver_trials, flags.ask_at, flags.storage)
    costs = trial_costs(flags)
    fixed = costs["ours"].trial
    counts = {"ours": flags.trials, "tracked": flags.trials, "stock": flags.stock_trials}
    return Overhead(
        trials={kind: counts[kind] for kind in costs},
        rounds=flags.rounds,
        trial_seconds=costs,
        driver=driver,
        met={
            f"at most {REQUIRED_TRIAL_S} s a trial": fixed <= REQUIRED_TRIAL_S,
            f"{WANTED_TRIAL_S} s a trial, wanted": fixed <= WANTED_TRIAL_S,
            f"at least {REQUIRED_REPORTS_PER_S} reports/s": (
                driver.reports_per_second >= REQUIRED_REPORTS_PER_S
            ),
            f"memory growth under {REQUIRED_GROWTH_MB} MB": driver.growth_mb < REQUIRED_GROWTH_MB,
        },
    )


def read_flags() -> Namespace:
    """Read the command line."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of all kinds; medians count")
    parser.add_argument("--trials", type=int, default=40, help="in each run of ours, 3 or more")
    parser.add_argument("--stock-trials", type=int, default=8, help="in each run of stock Tune")
    parser.add_argument("--driver-trials", type=int, default=2000, help="of the driver without Ray")
    parser.add_argument("--storage", metavar="URL", help="of its studies; left out: journal files")
    parser.add_argument("--ask-at", type=int, nargs="*", default=[100, 500, 2000])
    parser.add_argument("--kinds", nargs="+", choices=list(NAMES), default=list(NAMES))
    flags = parser.parse_args()
    if "ours" not in flags.kinds:
        parser.error("--kinds must have ours, which the requirements are about")
    if min(flags.trials, flags.stock_trials) <= AT_ONCE:
        parser.error(f"--trials and --stock-trials are more than {AT_ONCE}, the trials at once")
    if max(flags.ask_at, default=0) > flags.driver_trials:
        parser.error("--ask-at is of trials that --driver-trials has")
    return flags


def main() -> None:
    """Measure, and print what was found."""
    flags = read_flags()
    tell(lambda: measure(flags), as_json=flags.json)


if __name__ == "__main__":
    main()
