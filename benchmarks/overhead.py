"""What the search costs beside training: the fixed cost of a trial, and the driver's own work.

    python benchmarks/overhead.py                  # some minutes, on two CPUs or more
    python benchmarks/overhead.py --json
    python benchmarks/overhead.py --rounds 1 --trials 10 --stock-trials 4 --driver-trials 600

Trials without work are run two at once: by our engine, by it with MLflow on sqlite, and by Ray
Tune as it comes, with its own OptunaSearch, ASHAScheduler and loggers. The fixed cost of a trial is
for how long it keeps a slot, once every slot has had its first one: the time from there to the last
end, times two, divided by the trials. What comes once in a run, the start of the workers above all,
is told apart; that of Ray is in neither. The driver without Ray is given fake trials of 20 epochs
as fast as it takes them, many of which ASHA stops, and TPE is asked in studies of so many trials.
"""

import json
import os
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from simulated_driver import Driven, MadeUpStudy, Unrecorded, drive, made_up_facts, made_up_record

from search.cluster.ray_session import ray_session
from search.engine.run_trials import run_trials
from search.engine.trainable import FACTS, NOTES, OBJECTIVE, RECORD, Workplace
from search.resources.allotment import Resources
from search.spaces.space import Space
from search.trial.checkpoints import Checkpoints
from tracking.location import resolve
from tracking.mlflow_recorder import MlflowRecorder
from tracking.recorder import Recorder, Recorders
from tracking.records import Ending, StudyRecord, Summary

AT_ONCE = 2
"""trials without work"""
SLOTS = 64
"""of the driver without Ray"""
ASKS = 10
REQUIRED_TRIAL_S, WANTED_TRIAL_S = 0.3, 0.15
REQUIRED_REPORTS_PER_S = 150
REQUIRED_GROWTH = 200_000_000
"""bytes"""
NAMES = {
    "ours": "our engine",
    "tracked": "our engine, MLflow on sqlite",
    "stock": "stock Tune, OptunaSearch, ASHA",
}
RECORD_JSON = made_up_record(1, 1.0, finished=True).model_dump_json()
FACTS_JSON = made_up_facts(epochs=1).model_dump_json()


class NoWork(tune.Trainable):
    """Reports one epoch that it did not train, and is done."""

    def setup(self, config: dict[str, Any], carried: None = None) -> None:
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
            OBJECTIVE: 1.0,
            "done": True,
        }


def no_work(_config: dict[str, Any]) -> None:
    """Report once."""
    tune.report({OBJECTIVE: 1.0})


class Ends(tune.Callback):
    """Keeps when trials ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Keep when it was."""
        self.ends.append(time.perf_counter())


class Cost(NamedTuple):
    """What trials without work took, in seconds."""

    trial: float
    """for which each one keeps a slot, after the first in every slot"""
    start: float
    """to the first end of a trial"""
    whole: float
    """of the whole run, divided by its trials"""


def cost_of(started: float, ends: list[float]) -> Cost:
    """Return the cost of trials that began at a time, ended at others, and are done with now."""
    return Cost(
        trial=(ends[-1] - ends[AT_ONCE - 1]) * AT_ONCE / (len(ends) - AT_ONCE),
        start=ends[0] - started,
        whole=(time.perf_counter() - started) / len(ends),
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
            checkpoints=Checkpoints(folder=folder / "checkpoints"),
        )
        watch = Unrecorded()
        recorders: list[Recorder] = [watch]
        if tracked:
            mlflow = MlflowRecorder(
                resolve(f"sqlite:///{folder / 'mlflow.db'}"),
                StudyRecord(name="overhead", dataset="synthetic", tags={}),
                folder / "tracking.jsonl",
            )
            mlflow.ready()
            recorders.append(mlflow)
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
                metric=OBJECTIVE,
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


def trial_costs(arguments: Namespace) -> dict[str, Cost]:
    """Measure all kinds of runs in turn, in some rounds; return the medians."""
    kinds: dict[str, Callable[[], Cost]] = {
        "ours": lambda: our_cost(arguments.trials, tracked=False),
        "tracked": lambda: our_cost(arguments.trials, tracked=True),
        "stock": lambda: stock_cost(arguments.stock_trials),
    }
    found: dict[str, list[Cost]] = {kind: [] for kind in arguments.kinds}
    with ray_session():
        for _ in range(arguments.rounds):
            for kind, costs in found.items():
                costs.append(kinds[kind]())
    return {
        kind: Cost(*map(statistics.median, zip(*costs, strict=True)))
        for kind, costs in found.items()
    }


def driver_work(
    trials: int, ask_at: list[int], storage: str | None
) -> tuple[Driven, dict[int, float]]:
    """Return what the driver took for some trials, and TPE's median seconds per ask after some."""
    with tempfile.TemporaryDirectory() as folder:
        made_up = MadeUpStudy(Path(folder), trials=trials, sampler="random", storage=storage)
        driven = drive(made_up, SLOTS)
        done = made_up.study.get_trials(deepcopy=False)
    asks = {}
    for count in ask_at:
        with tempfile.TemporaryDirectory() as folder:
            # The first trial of a study is the paper's, which no sampler is asked for.
            finished = done[1:count]
            tpe = MadeUpStudy(
                Path(folder), trials=1 + ASKS, sampler="tpe", finished=finished, storage=storage
            )
            asks[count] = statistics.median(drive(tpe, slots=1).asks[1:])
    return driven, asks


def main() -> None:
    """Measure, and print what was found."""
    arguments = parsed()
    load = [os.getloadavg()[0]]
    driven, asks = driver_work(arguments.driver_trials, arguments.ask_at, arguments.storage)
    load.append(os.getloadavg()[0])
    costs = trial_costs(arguments)
    load.append(os.getloadavg()[0])
    reports_per_s = driven.reports / driven.seconds
    fixed = costs["ours"].trial
    met = {
        f"at most {REQUIRED_TRIAL_S} s a trial": fixed <= REQUIRED_TRIAL_S,
        f"{WANTED_TRIAL_S} s a trial, wanted": fixed <= WANTED_TRIAL_S,
        f"at least {REQUIRED_REPORTS_PER_S} reports/s": reports_per_s >= REQUIRED_REPORTS_PER_S,
        f"memory growth under {REQUIRED_GROWTH / 1e6:.0f} MB": driven.growth < REQUIRED_GROWTH,
    }
    if arguments.json:
        found = {
            "cpus": os.cpu_count(),
            "load": load,
            "trial_seconds": {kind: cost._asdict() for kind, cost in costs.items()},
            "driver": {
                "trials": len(driven.asks),
                "reports": driven.reports,
                "reports_per_second": reports_per_s,
                "growth_mb": driven.growth / 1e6,
            },
            "ask_ms": {count: 1e3 * seconds for count, seconds in asks.items()},
            "met": met,
        }
        print(json.dumps(found))
        return
    loads = ", ".join(f"{each:.1f}" for each in load)
    print(f"{os.cpu_count()} CPUs; load before, between and after: {loads}")
    print("\nseconds, of trials without work    a trial    start    whole run per trial")
    for kind, cost in costs.items():
        shown = f"{cost.trial:7.3f}  {cost.start:7.2f}  {cost.whole:21.3f}"
        print(f"  {NAMES[kind]:31}  {shown}")
    print(
        f"\ndriver without Ray: {len(driven.asks)} trials, {driven.reports} reports, "
        f"{reports_per_s:.0f} reports/s; memory grew by {driven.growth / 1e6:.0f} MB"
    )
    for count, seconds in asks.items():
        print(f"TPE at trial {count}: {1e3 * seconds:.0f} ms an ask")
    print()
    for requirement, is_met in met.items():
        print(f"{requirement}: {'met' if is_met else 'NOT met'}")


def parsed() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object, no text")
    parser.add_argument("--rounds", type=int, default=3, help="of all kinds; medians count")
    parser.add_argument("--trials", type=int, default=40, help="in each run of ours, 3 or more")
    parser.add_argument("--stock-trials", type=int, default=8, help="in each run of stock Tune")
    parser.add_argument("--driver-trials", type=int, default=2000, help="of the driver without Ray")
    parser.add_argument("--storage", metavar="URL", help="of its studies; left out: journal files")
    parser.add_argument("--ask-at", type=int, nargs="*", default=[100, 500, 2000])
    parser.add_argument("--kinds", nargs="+", choices=list(NAMES), default=list(NAMES))
    arguments = parser.parse_args()
    if "ours" not in arguments.kinds:
        parser.error("--kinds must have ours, which the requirements are about")
    if min(arguments.trials, arguments.stock_trials) <= AT_ONCE:
        parser.error(f"--trials and --stock-trials are more than {AT_ONCE}, the trials at once")
    if max(arguments.ask_at, default=0) > arguments.driver_trials:
        parser.error("--ask-at is of trials that --driver-trials has")
    return arguments


if __name__ == "__main__":
    main()
