"""The benchmark of three ways to search: how its figures are taken, and that all of them run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.searched import Searched, last_line
from benchmarks.stock_search import StockSearch, Way


def searched(stopped: int, told: int | None, runs: dict[str, int]) -> Searched:
    return Searched(
        trials=10,
        epochs=40,
        training_seconds=60.0,
        best_mae=0.9,
        stopped=stopped,
        told_pruned=told,
        runs=runs,
    )


@pytest.mark.parametrize(
    ("told", "runs", "to_optuna", "to_mlflow"),
    [
        (3, {"FINISHED": 7, "KILLED": 3}, True, True),
        (0, {"FINISHED": 10}, False, False),
        (3, {"FINISHED": 7, "KILLED": 2}, True, False),
        (2, {"FINISHED": 7, "RUNNING": 3}, False, False),
        (None, {}, None, None),
    ],
)
def test_stores_are_true_when_they_tell_the_stopped_from_the_others(
    told: int | None, runs: dict[str, int], to_optuna: bool | None, to_mlflow: bool | None
) -> None:
    found = searched(3, told, runs)
    assert found.true_to_optuna is to_optuna
    assert found.true_to_mlflow is to_mlflow


def test_a_trial_costs_what_its_slot_did_not_train() -> None:
    way = Way(at_once=2, seconds=40.0, searched=searched(0, 0, {}))
    assert way.seconds_beside_training == pytest.approx((2 * 40 - 60) / 10)
    assert way.seconds_per_epoch == pytest.approx(1.5)


def test_a_command_ends_with_its_json() -> None:
    assert last_line("words\n\n{}\n") == "{}"
    with pytest.raises(ValueError, match="Expecting value"):
        last_line("{}\nwords")


@pytest.mark.slow
def test_all_ways_search(
    measured_by: Callable[..., StockSearch], tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    little = ("--trials", "2", "--max-epochs", "2", "--data-dir", str(tiny_data))
    measured = measured_by("stock_search", *little)
    assert list(measured.ways) == ["ours", "stock", "field"]
    assert measured.times("ours") == 1
    for way in measured.ways.values():
        found = way.searched
        assert (found.trials, found.epochs, found.stopped) == (2, 4, 0)
        assert 0 < found.training_seconds < way.seconds * way.at_once
        assert 0.2 < found.best_mae < 3
    ours, stock, field = (way.searched for way in measured.ways.values())
    assert ours.told_pruned == stock.told_pruned == 0
    assert ours.runs == stock.runs == {"FINISHED": 2}
    assert (field.runs, field.told_pruned) == ({}, None)
