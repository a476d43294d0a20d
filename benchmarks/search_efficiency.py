"""How many epochs a search spends until it is as good as 40 random configurations trained in full.

    python -m benchmarks.search_efficiency              # a quarter of an hour on two cores
    python -m benchmarks.search_efficiency --seeds 3
    python -m benchmarks.search_efficiency --json

The real study, sampler and stopping rule are replayed on learning curves. A table of real curves
has too few configurations for a search, so each seed has a world of its own, drawn from Gaussian
processes that are fitted to the table (`curve_worlds.py`). Every strategy meets the same worlds; a
world's target is the best of 40 random configurations trained in full, in the middle of all draws.
Beside that, the strategies that choose at random are replayed on the table alone.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.curve_table import Floats
from benchmarks.curve_worlds import cross_validate
from benchmarks.measurement import Measurement, Record, benchmark_parser, tell
from benchmarks.replay import ROUND
from benchmarks.strategies import (
    BUDGETS,
    DEFAULT,
    LONGEST,
    ON_THE_TABLE,
    STRATEGIES,
    InWorld,
    OnTable,
    fitted,
    in_world,
    on_table,
)

RESAMPLES = 5000


class Spread(Record):
    """A statistic over seeds with its 95% bootstrap interval; none stands for infinity."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: ArrayLike, statistic: Callable[..., Any]) -> Self:
        """Take the statistic, such as `np.median`, of one value for each seed."""
        found: Floats = np.asarray(values, dtype=np.float64)
        rows = np.random.default_rng(0).integers(len(found), size=(RESAMPLES, len(found)))
        resampled = np.sort(statistic(found[rows], axis=1))
        ends = resampled[[int(0.025 * RESAMPLES), int(0.975 * RESAMPLES)]]
        value, low, high = (float(x) if np.isfinite(x) else None for x in (statistic(found), *ends))
        return cls(value=value, low=low, high=high)

    def shown(self, digits: int, sign: str = "") -> str:
        """Return it with so many digits, such as `168 (142 to 249)`."""
        value, low, high = (
            "never" if x is None else f"{x:{sign}.{digits}f}"
            for x in (self.value, self.low, self.high)
        )
        return f"{value} ({low} to {high})"


class CurvesUsed(Record):
    """The table of recorded curves that everything is fitted to."""

    made_by: str
    date: str
    dataset: str
    text: str
    text_encoder: str | None
    max_epochs: int
    random_trials: int
    best: float
    median: float
    """validation MAE of the random configurations after the last epoch"""


class Foretold(Record):
    """How well curves are foretold that the processes were not fitted to, after some epoch."""

    epoch: int
    mae: float
    mae_of_mean: float
    """of foretelling the mean of the others"""
    rank_correlation: float


class InWorlds(Record):
    """What a strategy came to in all worlds."""

    epochs_to_target: Spread
    """a median"""
    never: int
    """worlds in which it had not reached the target after the longest search"""
    sooner_than_default: float
    """the share of worlds in which it was there sooner; ties are halves"""
    best_mae: Mapping[int, Spread]
    """means, after so many epochs"""
    gain: Mapping[int, Spread]
    """the MAE of the default less its own, in the same worlds"""


class OnTableAlone(Record):
    """What a strategy that chooses at random came to on the table."""

    epochs_to_target: Spread
    never: int
    epochs: float
    """in all"""
    missed_mae: float
    """by how much the best that it found is worse than the best there is"""


class SearchEfficiency(Measurement):
    """What every strategy came to."""

    table: CurvesUsed
    surrogate: Sequence[Foretold]
    seeds: int
    configurations: int = ROUND
    """random ones, whose best in full is the target"""
    longest: int = LONGEST
    """epochs after which a search ended"""
    default: str = DEFAULT
    target: Spread
    best_of_table: Spread
    worlds: Mapping[str, InWorlds]
    table_only: Mapping[str, OnTableAlone]

    def lines(self) -> Iterator[str]:
        """Yield what people read: the table, the worlds, and the strategies in each."""
        table = self.table
        yield (
            f"table: {table.random_trials} random configurations of {table.dataset}, text "
            f"{table.text} {table.text_encoder}, {table.max_epochs} epochs, {table.date}; "
            f"best {table.best:.3f}, median {table.median:.3f}"
        )
        for each in self.surrogate:
            yield (
                f"surrogate, cross-validated, MAE so far after epoch {each.epoch}: off by "
                f"{each.mae:.3f} (the mean by {each.mae_of_mean:.3f}), "
                f"rank correlation {each.rank_correlation:.2f}"
            )
        yield (
            f"{self.seeds} worlds; the best of the table's configurations in them: "
            f"{self.best_of_table.shown(4)}; the target: {self.target.shown(4)}"
        )
        budgets = next(iter(self.worlds.values())).best_mae
        yield from aligned(
            ("in the worlds", "epochs to target", "never", *(f"best at {b}" for b in budgets)),
            *(
                (
                    name,
                    one.epochs_to_target.shown(0),
                    str(one.never),
                    *(f"{mae.value:.4f}" for mae in one.best_mae.values()),
                )
                for name, one in self.worlds.items()
            ),
        )
        yield from aligned(
            ("against the default", *(f"MAE won at {b}" for b in budgets), "sooner there in"),
            *(
                (
                    name,
                    *(gain.shown(4, sign="+") for gain in one.gain.values()),
                    f"{one.sooner_than_default:.0%}",
                )
                for name, one in self.worlds.items()
            ),
        )
        yield from aligned(
            ("on the table alone", "epochs to target", "never", "epochs", "best missed by"),
            *(
                (
                    name,
                    one.epochs_to_target.shown(0),
                    str(one.never),
                    f"{one.epochs:.0f}",
                    f"{one.missed_mae:.4f}",
                )
                for name, one in self.table_only.items()
            ),
        )


def aligned(*rows: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table, after an empty one."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ""
    for row in rows:
        yield "  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()


def measure(seeds: int, map_: Callable[..., Iterator[Any]]) -> SearchEfficiency:
    """Run everything, by something like `map`."""
    table, _ = fitted()
    worlds: list[InWorld] = []
    for world in map_(in_world, range(seeds)):
        worlds.append(world)
        print(f"{len(worlds)} of {seeds} worlds", file=sys.stderr)
    alone = {name: list(map_(partial(on_table, name), range(seeds))) for name in ON_THE_TABLE}
    full = np.sort([trial.best_mae[-1] for trial in table.random])
    header = table.header.model_dump(exclude={"space", "dataset_digest"})
    foretold = cross_validate(table, (3, table.curves.shape[1]))
    return SearchEfficiency(
        table=CurvesUsed(
            **header,
            random_trials=len(full),
            best=float(full[0]),
            median=float(np.median(full)),
        ),
        surrogate=[Foretold(**each._asdict()) for each in foretold],
        seeds=seeds,
        target=Spread.of([world.target for world in worlds], np.mean),
        best_of_table=Spread.of([world.best_of_table for world in worlds], np.mean),
        worlds={name: in_worlds(name, worlds) for name in STRATEGIES},
        table_only={name: on_table_alone(all_) for name, all_ in alone.items()},
    )


def in_worlds(name: str, worlds: Sequence[InWorld]) -> InWorlds:
    """Return what a strategy came to in all worlds, also beside the default in the same ones."""
    epochs = np.array([world.epochs[name] for world in worlds])
    default = np.array([world.epochs[DEFAULT] for world in worlds])
    best = np.array([world.best[name] for world in worlds])
    gains = np.array([world.best[DEFAULT] for world in worlds]) - best
    return InWorlds(
        epochs_to_target=Spread.of(epochs, np.median),
        never=int(np.isinf(epochs).sum()),
        sooner_than_default=float(np.mean((epochs < default) + (epochs == default) / 2)),
        best_mae={b: Spread.of(best[:, i], np.mean) for i, b in enumerate(BUDGETS)},
        gain={b: Spread.of(gains[:, i], np.mean) for i, b in enumerate(BUDGETS)},
    )


def on_table_alone(found: Sequence[OnTable]) -> OnTableAlone:
    """Return what a strategy came to on the table, over all seeds."""
    return OnTableAlone(
        epochs_to_target=Spread.of([one.epochs for one in found], np.median),
        never=sum(one.epochs == np.inf for one in found),
        epochs=float(np.mean([one.spent for one in found])),
        missed_mae=float(np.mean([one.missed for one in found])),
    )


def main() -> None:
    """Replay, and print what was found."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    flags = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        tell(lambda: measure(flags.seeds, pool.map), as_json=flags.json)


if __name__ == "__main__":
    main()
