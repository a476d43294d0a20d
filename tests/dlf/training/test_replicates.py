"""Several seeds of one configuration, reported as their mean."""

from pathlib import Path
from statistics import fmean, stdev

import pytest
import torch

from dlf.data import open_split, read_manifest
from dlf.text.sizes import input_sizes
from dlf.text.source import TextSource
from dlf.training.replicates import Replicates
from dlf.training.training import EpochRecord, Training
from tests.support.small_models import SMALL

EPOCHS = 4


def training(data_dir: Path, seed: int, *, patience: int = 10) -> Training:
    config = SMALL.with_values({"patience": patience, "learning_rate": 1e-3, "accumulation": 1})
    sizes = input_sizes(
        read_manifest("synthetic", data_dir), TextSource(way="precomputed"), config.data
    )
    splits = (open_split("synthetic", data_dir, name) for name in ("train", "valid"))
    return Training(config, sizes, *splits, seed=seed, max_epochs=EPOCHS)


def all_epochs(replicates: Replicates) -> list[EpochRecord]:
    while not replicates.finished:
        replicates.train_epoch()
    return replicates.history


def untimed(records: list[EpochRecord]) -> list[EpochRecord]:
    return [record.model_copy(update={"seconds": 0.0}) for record in records]


def test_one_seed_is_the_training_itself(tiny_data: Path) -> None:
    alone = list(training(tiny_data, 3).epochs())
    replicated = all_epochs(Replicates([training(tiny_data, 3)]))
    assert untimed(replicated) == untimed(alone)
    assert replicated[-1].spread is None
    assert "valid/best_mae_spread" not in replicated[-1].named()


def test_several_seeds_are_their_mean_and_their_spread(tiny_data: Path) -> None:
    alone = [list(training(tiny_data, seed).epochs()) for seed in (3, 4, 5)]
    replicated = all_epochs(Replicates([training(tiny_data, seed) for seed in (3, 4, 5)]))
    assert len(replicated) == EPOCHS
    for record, *each in zip(replicated, *alone, strict=True):
        assert record.best_mae == pytest.approx(fmean(one.best_mae for one in each))
        assert record.spread == pytest.approx(stdev([one.best_mae for one in each]))
        assert record.valid.mae == pytest.approx(fmean(one.valid.mae for one in each))
        assert record.loss.total == pytest.approx(fmean(one.loss.total for one in each))
        assert record.named()["valid/best_mae_spread"] == record.spread


def test_a_seed_that_ends_early_stays_where_it_is(tiny_data: Path) -> None:
    """One of them is made to end after its first epoch; the others go on to the last."""
    three = [training(tiny_data, seed) for seed in (3, 4)]
    three[0].max_epochs = 1
    replicated = all_epochs(Replicates(three))
    assert [len(each.history) for each in three] == [1, EPOCHS]
    last = [each.history[-1].valid.mae for each in three]
    assert replicated[-1].valid.mae == pytest.approx(fmean(last))
    assert [record.finished for record in replicated] == [False] * (EPOCHS - 1) + [True]


def test_restored_replicates_go_on_as_if_nothing_had_happened(
    tiny_data: Path, tmp_path: Path
) -> None:
    whole = Replicates([training(tiny_data, seed) for seed in (3, 4)])
    first = Replicates([training(tiny_data, seed) for seed in (3, 4)])
    first.train_epoch()
    first.train_epoch()
    torch.save(first.state(), tmp_path / "state.pt")
    second = Replicates([training(tiny_data, seed) for seed in (3, 4)])
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert untimed(all_epochs(second)) == untimed(all_epochs(whole))
