"""The benchmark of the search: its table of curves, the worlds fitted to it, and its replays."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState as OptunaState

from benchmarks import record_curves, replay, search_efficiency, strategies
from benchmarks.curve_table import CurveTable
from benchmarks.curve_worlds import GaussianProcess, World, cross_validate
from benchmarks.search_efficiency import SearchEfficiency, Spread
from benchmarks.strategies import DEFAULT
from benchmarks.study_commands import search_command
from dlf.training.training import EpochRecord
from search.study.budget import Budget
from search.study.schedulers import Stopping
from tests.support.simulation import EPOCHS, SimulatedSearch

NEVER = Stopping(scheduler="none")


@pytest.fixture(scope="module")
def table() -> CurveTable:
    return CurveTable.read()


@pytest.fixture(scope="module")
def world(table: CurveTable) -> World:
    _, surrogate = strategies.fitted()
    return World(surrogate, table, seed=0)


@pytest.fixture
def simulated(tmp_path: Path, record_of_mae: Callable[..., EpochRecord]) -> SimulatedSearch:
    return SimulatedSearch(tmp_path, record_of_mae)


def test_the_table_has_forty_random_configurations_and_the_papers(table: CurveTable) -> None:
    assert len(table.random) >= 40
    assert len(table.trials) == len(table.random) + 1
    assert table.header.text_encoder == "minilm"
    assert table.curves.shape == (len(table.trials), table.header.max_epochs)
    assert (np.diff(table.curves) <= 0).all()
    for trial in table.trials:
        assert trial.params.keys() == table.header.space.parameters.keys()
        assert trial.seconds_per_epoch > 0


def test_a_table_is_written_as_it_was_read(table: CurveTable, tmp_path: Path) -> None:
    table.write(tmp_path / "table")
    assert CurveTable.read(tmp_path / "table") == table
    first = (tmp_path / "table").read_bytes()
    table.write(tmp_path / "table")
    assert (tmp_path / "table").read_bytes() == first


def test_complete_trials_of_a_study_are_recorded(simulated: SimulatedSearch) -> None:
    simulated.run(30)
    opened = simulated.place.load()
    recorded = record_curves.table_of(opened)
    complete = [t for t in opened.study.trials if t.state is OptunaState.COMPLETE]
    assert len(recorded.trials) == len(complete) < 30
    for row, trial in zip(recorded.trials, complete, strict=True):
        assert row.number == trial.number
        assert row.best_mae == pytest.approx([*trial.intermediate_values.values()], abs=1e-5)
        assert len(row.best_mae) == EPOCHS
    assert recorded.header.made_by == search_command(opened)


def test_the_surrogate_foretells_better_than_the_mean(table: CurveTable) -> None:
    for each in cross_validate(table, (3, table.header.max_epochs)):
        assert each.mae < 0.8 * each.mae_of_mean
        assert each.rank_correlation > 0.6


def test_a_process_agrees_with_what_it_is_given_and_its_draws_with_it() -> None:
    points = np.random.default_rng(0).uniform(size=(40, 2))
    targets = np.sin(5 * points[:, 0])
    targets /= targets.std()
    process = GaussianProcess.fit(points, targets)
    assert np.abs(process.mean(points) - targets).max() < 0.15
    assert process.lengths[0] < process.lengths[1]
    elsewhere = np.random.default_rng(1).uniform(0.2, 0.8, size=(20, 2))
    drawn = [process.draw(np.random.default_rng(i)).at(elsewhere) for i in range(30)]
    assert np.mean(drawn, axis=0) == pytest.approx(process.mean(elsewhere), abs=0.15)


def test_a_world_has_the_recorded_curves_and_its_own_elsewhere(
    table: CurveTable, world: World
) -> None:
    assert world.curve(table.trials[5].params).tolist() == list(table.trials[5].best_mae)
    other = dict(table.trials[5].params) | {"margin": 0.123}
    curve = world.curve(other)
    assert (np.diff(curve) <= 0).all()
    assert world.curve(other).tolist() == curve.tolist()
    _, surrogate = strategies.fitted()
    assert World(surrogate, table, seed=1).curve(other).tolist() != curve.tolist()


def test_epochs_of_a_search_that_stops_nothing_are_trials_times_epochs(world: World) -> None:
    strategy = replay.Strategy("random", NEVER)
    replayed = replay.replay(strategy, world, Budget(trials=10), seed=0)
    assert replayed.trials == 10
    assert replayed.epochs == len(replayed.trace) == 10 * world.epochs


def test_a_stopping_search_spends_less_and_a_budget_is_kept(world: World) -> None:
    replayed = replay.replay(replay.Strategy("random"), world, Budget(trials=20), seed=0)
    assert replayed.trials == 20
    assert replayed.epochs == len(replayed.trace) < 20 * world.epochs
    cut = replay.replay(replay.Strategy("random"), world, Budget(trials=20, epochs=50), seed=0)
    assert cut.trace.tolist() == replayed.trace[:50].tolist()
    assert 50 <= cut.epochs < 50 + replay.SLOTS


def test_the_baseline_finishes_three_of_each_round(world: World) -> None:
    first_round = 41 + 3 * (world.epochs - 1)
    replayed = replay.one_epoch(world, Budget(trials=41), seed=0)
    assert (replayed.trials, replayed.epochs) == (41, first_round)
    two = replay.one_epoch(world, Budget(trials=10**6, epochs=first_round + 1), seed=0)
    assert two.trials == 81
    assert len(two.trace) == first_round + 1
    assert (np.diff(two.trace) <= 0).all()


def test_a_seed_gives_the_same_replay(world: World) -> None:
    first, again = (
        replay.replay(replay.Strategy(), world, Budget(trials=10**6, epochs=80), seed=3)
        for _ in range(2)
    )
    assert first.trace.tolist() == again.trace.tolist()
    other = replay.replay(replay.Strategy(), world, Budget(trials=10**6, epochs=80), seed=4)
    assert other.trace.tolist() != first.trace.tolist()


def test_when_a_target_is_reached() -> None:
    replayed = replay.Replayed(np.array([0.9, 0.8, 0.8]), trials=1, epochs=3)
    assert replayed.epochs_to(0.95) == 1
    assert replayed.epochs_to(0.8) == 2
    assert replayed.epochs_to(0.7) == np.inf


def test_rays_rule_counts_those_that_came_before() -> None:
    study = optuna.create_study(pruner=replay.RayAsha(1, 3, max_epochs=9))
    kept = []
    for value in (0.5, 0.6, 0.4, 0.5, 0.45, 0.7):
        trial = study.ask()
        trial.report(value, step=1)
        kept.append(not trial.should_prune())
    assert kept == [True, False, True, False, True, False]
    trial.report(0.1, step=2)
    assert not trial.should_prune()


def test_on_the_table_a_search_that_stops_nothing_finds_the_best() -> None:
    one = strategies.on_table("random, none", seed=1)
    assert one.missed == 0
    assert one.spent == 41 * 12
    assert 1 <= one.epochs <= one.spent
    stopped = strategies.on_table("one epoch, best three", seed=1)
    assert stopped.spent == 41 + 3 * 11


def test_a_spread_holds_its_statistic_and_says_when_it_is_infinite() -> None:
    spread = Spread.of([1.0, 2.0, 3.0, np.inf, np.inf], np.median)
    assert spread == Spread(value=3.0, low=1.0, high=None)
    assert spread.shown(0) == "3 (1 to never)"


def test_the_record_and_the_text_have_every_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [DEFAULT, "random, none", "one epoch, best three"]
    for name in ("STRATEGIES", "ON_THE_TABLE"):
        searches = {k: v for k, v in getattr(strategies, name).items() if k in chosen}
        for module in (strategies, search_efficiency):
            monkeypatch.setattr(module, name, searches)
    for module in (strategies, search_efficiency):
        monkeypatch.setattr(module, "BUDGETS", (30, 60))
    monkeypatch.setattr(strategies, "LONGEST", 80)
    monkeypatch.setattr(strategies, "DRAWS", 200)
    measured = search_efficiency.measure(2, map)
    assert SearchEfficiency.model_validate_json(measured.model_dump_json()) == measured
    assert measured.table.random_trials >= 40
    target = measured.target
    assert target.low <= target.value <= target.high
    assert list(measured.worlds) == chosen
    for one in measured.worlds.values():
        assert list(one.best_mae) == list(one.gain) == [30, 60]
        assert 0 <= one.never <= 2
    assert measured.worlds[DEFAULT].gain[60] == Spread(value=0, low=0, high=0)
    assert measured.worlds["one epoch, best three"].gain[60] != Spread(value=0, low=0, high=0)
    assert list(measured.table_only) == chosen[1:]
    lines = "\n".join(measured.lines())
    for name in chosen:
        assert lines.count(f"\n{name}  ") == (2 if name == DEFAULT else 3)
