"""Searches replayed on a world of curves: the real study, sampler and stopping rule, no training.

Trials run in four slots in simulated time, each at a pace of the table's. Strategies that a search
does not offer stand here too, for comparison: the one-epoch baseline, and ASHA as Ray has it.
"""

import heapq
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from benchmarks.curve_table import Floats
from benchmarks.curve_worlds import World
from benchmarks.simulated_driver import identity_without_data, made_up_record
from dlf.config import Config, Value
from search.engine.ledger import TrialLedger
from search.spaces.space import Space
from search.study.budget import Budget, BudgetKeeper
from search.study.records import count_epochs
from search.study.samplers import SamplerName, make_sampler
from search.study.schedulers import Stopping
from search.study.trials import StudyTrials
from search.trial.plan import TrialPlan
from tracking.recorder import Recorders

SLOTS = 4
ROUND = 40
"""configurations that the one-epoch baseline trains for an epoch, before it begins anew"""
KEPT = 3
"""of which it finishes so many"""

Configurations = Sequence[Mapping[str, Value]]


class RayAsha(BasePruner):
    """The rule of Ray's ASHAScheduler.

    At a rung, a trial goes on when it is within the best `1 / reduction` of those that were there
    before it, by an interpolated percentile; the first goes on in any case. Optuna's rule counts
    the trial itself in, and rounds the number of those that go on down.
    """

    def __init__(self, grace_epochs: int, reduction: int, max_epochs: int) -> None:
        rungs = itertools.takewhile(
            lambda epoch: epoch < max_epochs,
            (grace_epochs * reduction**rung for rung in itertools.count()),
        )
        self._rungs = frozenset(rungs)
        self._reduction = reduction

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether a trial stops at the rung where it stands."""
        step = trial.last_step
        if step is None or step not in self._rungs:
            return False
        others = [
            other.intermediate_values[step]
            for other in study.get_trials(deepcopy=False)
            if other.number != trial.number and step in other.intermediate_values
        ]
        if not others:
            return False
        return bool(trial.intermediate_values[step] > np.percentile(others, 100 / self._reduction))


class Strategy(NamedTuple):
    """How a search chooses configurations, and when it stops them."""

    sampler: SamplerName = "tpe"
    stopping: Stopping = Stopping()
    by_ray: bool = False
    """whether ASHA is Ray's"""

    def pruner(self, max_epochs: int) -> BasePruner:
        """Return the stopping rule."""
        if self.by_ray:
            return RayAsha(self.stopping.grace_epochs, self.stopping.reduction, max_epochs)
        return self.stopping.pruner(max_epochs)


class Replayed(NamedTuple):
    """What a search came to."""

    trace: Floats
    """the lowest validation MAE of all trials after each epoch that was spent"""
    trials: int
    epochs: int
    """trained in all, those that were under way at the end included"""

    def epochs_to(self, target: float) -> float:
        """Return the epochs that were spent until an MAE was reached; infinity when it was not."""
        reached = np.flatnonzero(self.trace <= target)
        return float(reached[0] + 1) if len(reached) else np.inf


class _Running(NamedTuple):
    """A trial under way; the one whose epoch ends first comes first."""

    time: float
    key: str
    epoch: int
    """that is trained now"""
    seconds: float
    curve: Floats


def replay(
    strategy: Strategy,
    world: World,
    budget: Budget,
    *,
    seed: int,
    queue: Configurations = (),
) -> Replayed:
    """Run a search; first comes the paper's configuration, then a queue of others, if any."""
    identity = identity_without_data(world.space, world.epochs)
    study = optuna.create_study(
        sampler=make_sampler(strategy.sampler, seed=seed, trials_before=0, grouped=False),
        pruner=strategy.pruner(world.epochs),
    )
    for params in (_paper(world), *queue):
        study.enqueue_trial(dict(params))
    pace = np.random.default_rng(seed)
    keys = (f"trial-{i}" for i in itertools.count())
    running: list[_Running] = []
    trace: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        keeper = BudgetKeeper(budget)
        source = StudyTrials(study, identity, keeper, seed=seed, folder=Path(folder))
        ledger = TrialLedger(source, Recorders([]))
        now = 0.0
        while True:
            while len(running) < SLOTS:
                plan = ledger.start(key := next(keys))
                if not isinstance(plan, TrialPlan):
                    break
                seconds = float(pace.choice(world.seconds))
                curve = world.curve(plan.params)
                heapq.heappush(running, _Running(now + seconds, key, 1, seconds, curve))
            if not running:
                break
            now, key, epoch, seconds, curve = heapq.heappop(running)
            value = float(curve[epoch - 1])
            trace.append(min(value, trace[-1]) if trace else value)
            last = epoch == len(curve)
            if ledger.report(key, made_up_record(epoch, value, finished=last)):
                heapq.heappush(running, _Running(now + seconds, key, epoch + 1, seconds, curve))
            else:
                ledger.end(key)
    trials = study.get_trials(deepcopy=False)
    return Replayed(np.array(trace[: budget.epochs]), len(trials), count_epochs(trials))


def one_epoch(world: World, budget: Budget, *, seed: int, queue: Configurations = ()) -> Replayed:
    """Train 40 random configurations for an epoch and finish the best three; and so on.

    The paper's configuration is one more in the first round.
    """
    configurations = itertools.chain([_paper(world)], queue, _drawn(world.space, seed))
    values: list[float] = []
    trials = 0
    while trials < budget.trials and (budget.epochs is None or len(values) < budget.epochs):
        count = min(ROUND + (trials == 0), budget.trials - trials)
        curves = [world.curve(params) for params in itertools.islice(configurations, count)]
        trials += count
        values += [float(curve[0]) for curve in curves]
        for curve in sorted(curves, key=lambda curve: float(curve[0]))[:KEPT]:
            values += curve[1:].tolist()
    trace = np.minimum.accumulate(values)[: budget.epochs]
    return Replayed(trace, trials, len(values))


def random_configurations(space: Space, count: int, seed: int) -> Configurations:
    """Return configurations drawn from a space."""
    return list(itertools.islice(_drawn(space, seed), count))


def _drawn(space: Space, seed: int) -> Iterator[Mapping[str, Value]]:
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    while True:
        yield space.suggest(study.ask(), Config())


def _paper(world: World) -> Mapping[str, Value]:
    return world.space.values_of(Config())
