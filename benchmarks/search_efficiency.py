"""How many epochs a search spends until it is as good as 40 random configurations trained in full.

    python benchmarks/search_efficiency.py              # a quarter of an hour on two cores
    python benchmarks/search_efficiency.py --seeds 3
    python benchmarks/search_efficiency.py --json

The real study, sampler and stopping rule are replayed on learning curves. A table of real curves
has too few configurations for a search, so each seed has a world of its own, drawn from Gaussian
processes that are fitted to the table (`curve_worlds.py`). Every strategy meets the same worlds; a
world's target is the best of 40 random configurations trained in full, in the middle of all draws.
Beside that, the strategies that choose at random are replayed on the table alone.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from curve_table import CurveTable, Floats
from curve_worlds import Surrogate, World, cross_validate
from numpy.typing import ArrayLike
from replay import (
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
RESAMPLES = 5000

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


def summary(seeds: int, map_: Callable[..., Iterator[Any]]) -> dict[str, Any]:
    """Run everything, by something like `map`, and return what is printed."""
    table, _ = fitted()
    worlds: list[InWorld] = []
    for world in map_(in_world, range(seeds)):
        worlds.append(world)
        print(f"{len(worlds)} of {seeds} worlds", file=sys.stderr)
    alone = {name: list(map_(partial(on_table, name), range(seeds))) for name in ON_THE_TABLE}
    full = np.sort([trial.best_mae[-1] for trial in table.random])
    return {
        "table": table.header.model_dump(mode="json", exclude={"space"})
        | {"random_trials": len(full), "best": full[0], "median": float(np.median(full))},
        "surrogate": [each._asdict() for each in cross_validate(table, (3, table.curves.shape[1]))],
        "seeds": seeds,
        "target": spread_of([world.target for world in worlds], np.mean),
        "best_of_table": spread_of([world.best_of_table for world in worlds], np.mean),
        "worlds": {name: in_worlds(name, worlds) for name in STRATEGIES},
        "table_only": {
            name: {
                "epochs_to_target": spread_of([one.epochs for one in all_], np.median),
                "never": sum(one.epochs == np.inf for one in all_),
                "epochs": float(np.mean([one.spent for one in all_])),
                "missed_mae": float(np.mean([one.missed for one in all_])),
            }
            for name, all_ in alone.items()
        },
    }


def in_worlds(name: str, worlds: Sequence[InWorld]) -> dict[str, Any]:
    """Return what a strategy came to in all worlds, also beside the default in the same ones."""
    epochs = np.array([world.epochs[name] for world in worlds])
    default = np.array([world.epochs[DEFAULT] for world in worlds])
    best = np.array([world.best[name] for world in worlds])
    gains = np.array([world.best[DEFAULT] for world in worlds]) - best
    return {
        "epochs_to_target": spread_of(epochs, np.median),
        "never": int(np.isinf(epochs).sum()),
        "sooner_than_default": float(np.mean((epochs < default) + (epochs == default) / 2)),
        "best_mae": {str(b): spread_of(best[:, i], np.mean) for i, b in enumerate(BUDGETS)},
        "gain": {str(b): spread_of(gains[:, i], np.mean) for i, b in enumerate(BUDGETS)},
    }


def spread_of(values: ArrayLike, statistic: Callable[..., Any]) -> list[float | None]:
    """Return a statistic over seeds with its 95% bootstrap interval; none stands for infinity."""
    found: Floats = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(0).integers(len(found), size=(RESAMPLES, len(found)))
    resampled = np.sort(statistic(found[rows], axis=1))
    ends = resampled[[int(0.025 * RESAMPLES), int(0.975 * RESAMPLES)]]
    return [float(x) if np.isfinite(x) else None for x in (statistic(found), *ends)]


def text_of(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that people read."""
    table = found["table"]
    yield (
        f"table: {table['random_trials']} random configurations of {table['dataset']}, text "
        f"{table['text']} {table['text_encoder']}, {table['max_epochs']} epochs, {table['date']}; "
        f"best {table['best']:.3f}, median {table['median']:.3f}"
    )
    for each in found["surrogate"]:
        yield (
            f"surrogate, cross-validated, MAE so far after epoch {each['epoch']}: off by "
            f"{each['mae']:.3f} (the mean by {each['mae_of_mean']:.3f}), "
            f"rank correlation {each['rank_correlation']:.2f}"
        )
    yield (
        f"{found['seeds']} worlds; the best of the table's configurations in them: "
        f"{_shown(found['best_of_table'], 4)}; the target: {_shown(found['target'], 4)}"
    )
    worlds = found["worlds"]
    yield from _aligned(
        ("in the worlds", "epochs to target", "never", *(f"best at {b}" for b in BUDGETS)),
        *(
            (
                name,
                _shown(one["epochs_to_target"], 0),
                str(one["never"]),
                *(f"{one['best_mae'][str(b)][0]:.4f}" for b in BUDGETS),
            )
            for name, one in worlds.items()
        ),
    )
    yield from _aligned(
        ("against the default", *(f"MAE won at {b}" for b in BUDGETS), "sooner there in"),
        *(
            (
                name,
                *(_shown(one["gain"][str(b)], 4, sign="+") for b in BUDGETS),
                f"{one['sooner_than_default']:.0%}",
            )
            for name, one in worlds.items()
        ),
    )
    yield from _aligned(
        ("on the table alone", "epochs to target", "never", "epochs", "best missed by"),
        *(
            (
                name,
                _shown(one["epochs_to_target"], 0),
                str(one["never"]),
                f"{one['epochs']:.0f}",
                f"{one['missed_mae']:.4f}",
            )
            for name, one in found["table_only"].items()
        ),
    )


def _aligned(*rows: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table, after an empty one."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ""
    for row in rows:
        yield "  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()


def _shown(spread: Sequence[float | None], digits: int, sign: str = "") -> str:
    value, low, high = ("never" if x is None else f"{x:{sign}.{digits}f}" for x in spread)
    return f"{value} ({low} to {high})"


def parsed() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="print one JSON object, no text")
    return parser.parse_args()


def main() -> None:
    """Replay, and print what was found."""
    arguments = parsed()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = summary(arguments.seeds, pool.map)
    print(json.dumps(found) if arguments.json else "\n".join(text_of(found)))


if __name__ == "__main__":
    main()
