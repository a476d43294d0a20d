"""The strategies of a search that are compared, replayed in the world of a seed and on the table.

Each is the real study, sampler and stopping rule on learning curves (`replay.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from benchmarks.curve_table import CurveTable
from benchmarks.curve_worlds import Surrogate, World
from benchmarks.replay import (
    ROUND,
    Configurations,
    Replayed,
    Strategy,
    one_epoch,
    random_configurations,
    replay,
)
from search.study.budget import Budget
from search.study.samplers import SamplerName
from search.study.schedulers import Stopping

BUDGETS = (120, 240, 480)
"""epochs after which the best MAE is noted"""
LONGEST = 720
"""epochs after which a search ends that has not reached its target"""
NO_TRIAL_LIMIT = 1_000_000
DRAWS = 2000
"""random configurations by which a world's target is found"""

Search = Callable[..., Replayed]


def _asha(grace: int, reduction: int, *, sampler: SamplerName = "tpe", ray: bool = False) -> Search:
    stopping = Stopping(scheduler="asha", grace_epochs=grace, reduction=reduction)
    return partial(replay, Strategy(sampler, stopping, by_ray=ray))


RULE = Stopping()
DEFAULT = f"tpe, {RULE.scheduler} {RULE.grace_epochs}/{RULE.reduction} (default)"
STRATEGIES: Mapping[str, Search] = {
    DEFAULT: partial(replay, Strategy()),
    "random, none": partial(replay, Strategy("random", Stopping(scheduler="none"))),
    "random, asha 3/3": _asha(3, 3, sampler="random"),
    "random, asha 1/3": _asha(1, 3, sampler="random"),
    "one epoch, best three": one_epoch,
    "tpe, none": partial(replay, Strategy(stopping=Stopping(scheduler="none"))),
    "tpe, median": partial(replay, Strategy(stopping=Stopping(scheduler="median"))),
    "tpe, hyperband": partial(replay, Strategy(stopping=Stopping(scheduler="hyperband"))),
    **{
        f"tpe, asha {grace}/{by}": _asha(grace, by)
        for grace in (1, 2, 3)
        for by in (2, 3, 4)
        if Stopping(scheduler="asha", grace_epochs=grace, reduction=by) != RULE
    },
    **{f"tpe, Ray's asha {grace}/3": _asha(grace, 3, ray=True) for grace in (1, 3)},
}
"""by name; ASHA with its grace epochs and its reduction"""
ON_THE_TABLE: Mapping[str, Search] = {
    name: search for name, search in STRATEGIES.items() if name.startswith(("random", "one epoch"))
} | {"random, Ray's asha 3/3": _asha(3, 3, sampler="random", ray=True)}


class InWorld(NamedTuple):
    """What all strategies came to in the world of one seed."""

    target: float
    best_of_table: float
    """MAE in full, had the table's random configurations been trained here"""
    epochs: Mapping[str, float]
    """until the target, infinite where it was not reached"""
    best: Mapping[str, Sequence[float]]
    """MAE, at each of the budgets"""


class OnTable(NamedTuple):
    """What a strategy came to on 40 configurations of the table."""

    epochs: float
    """until the best of them was at its best, infinite where it was stopped before"""
    spent: int
    missed: float
    """by how much MAE the best one found is worse"""


def in_world(seed: int) -> InWorld:
    """Run every strategy in the world of a seed."""
    table, surrogate = fitted()
    world = World(surrogate, table, seed)
    target = typical_best(world)
    epochs, best = {}, {}
    budget = Budget(trials=NO_TRIAL_LIMIT, epochs=LONGEST)
    for name, search in STRATEGIES.items():
        replayed = search(world, budget, seed=seed)
        epochs[name] = replayed.epochs_to(target)
        best[name] = [float(replayed.trace[spent - 1]) for spent in BUDGETS]
    of_table = world.curves([trial.params for trial in table.random])[:, -1]
    return InWorld(target, float(of_table.min()), epochs, best)


def on_table(name: str, seed: int) -> OnTable:
    """Run a strategy on 40 configurations of the table, drawn in some order."""
    table, surrogate = fitted()
    order = np.random.default_rng(seed).permutation(len(table.random))[:ROUND]
    trials = [table.random[row] for row in order]
    target = min(trial.best_mae[-1] for trial in trials)
    replayed = ON_THE_TABLE[name](
        World(surrogate, table, seed),
        Budget(trials=1 + len(trials)),
        seed=seed,
        queue=[trial.params for trial in trials],
    )
    missed = max(0.0, float(replayed.trace[-1]) - target)
    return OnTable(replayed.epochs_to(target), replayed.epochs, missed)


@cache
def fitted() -> tuple[CurveTable, Surrogate]:
    """Return the table, and what is fitted to it."""
    table = CurveTable.read()
    return table, Surrogate.of(table)


@cache
def drawn() -> Configurations:
    """Return many random configurations, the same for all worlds."""
    table, _ = fitted()
    return random_configurations(table.header.space, DRAWS, seed=0)


def typical_best(world: World) -> float:
    """Return the median, over draws of 40 random configurations, of the best MAE in full."""
    full = world.curves(drawn())[:, -1]
    return float(np.quantile(full, 1 - 0.5 ** (1 / ROUND)))
