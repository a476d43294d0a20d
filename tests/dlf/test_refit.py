"""A refit trains as a former training did, with nothing held out."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import pytest
import torch
from torch import Tensor

from dlf.config import Config, Value
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.training.replicates import Replicates
from dlf.training.training import EpochRecord, Training

RATES = (3e-3, 1e-3, 2e-3)


@pytest.fixture(scope="module")
def train(planted_split: Callable[..., Split]) -> Split:
    return planted_split(28, seed=1)


@pytest.fixture(scope="module")
def valid(planted_split: Callable[..., Split]) -> Split:
    return planted_split(16, seed=2)


Refits = Callable[..., Training]


@pytest.fixture(scope="module")
def refit_of(tiny_config: Config, tiny_sizes: InputSizes, train: Split) -> Refits:
    """Make a refit of the tiny model; 28 clips are 4 batches."""

    def make(rates: Sequence[float] = RATES, seed: int = 0, **values: Value) -> Training:
        return Training(
            tiny_config.with_values(values),
            tiny_sizes,
            train,
            None,
            seed=seed,
            max_epochs=len(rates),
            learning_rates=rates,
        )

    return make


def timeless(history: Sequence[EpochRecord]) -> list[EpochRecord]:
    return [record.model_copy(update={"seconds": 0.0}) for record in history]


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_it_learns_at_the_given_rates(
    refit_of: Refits, tiny_config: Config, tiny_sizes: InputSizes, train: Split, valid: Split
) -> None:
    """At those of a training on the same clips, weights and losses are that one's to the bit."""
    # so coarse a training is soon on a plateau
    settings: dict[str, Any] = {"plateau_patience": 0, "learning_rate": 0.05}
    former = Training(
        tiny_config.with_values(settings), tiny_sizes, train, valid, seed=3, max_epochs=6
    )
    list(former.epochs())
    rates = [record.learning_rate for record in former.history]
    assert len(set(rates)) > 1
    refit = refit_of(rates, seed=3, **settings)
    list(refit.epochs())
    assert [record.learning_rate for record in refit.history] == rates
    assert [each.loss for each in refit.history] == [each.loss for each in former.history]
    assert [each.train for each in refit.history] == [each.train for each in former.history]
    assert_equal(refit.model.state_dict(), former.model.state_dict())


def test_every_single_rate_matters(refit_of: Refits) -> None:
    ends = []
    for changed in (None, 0, 1, 2):
        rates = [2 * rate if i == changed else rate for i, rate in enumerate(RATES)]
        refit = refit_of(rates)
        list(refit.epochs())
        ends.append(refit.model.state_dict()["fusion_head.out.bias"].item())
    assert len(set(ends)) == 4


def test_nothing_is_held_out(refit_of: Refits) -> None:
    refit = refit_of(patience=1)
    records = list(refit.epochs())
    assert [record.finished for record in records] == [False, False, True], "whatever patience is"
    for epoch, record in enumerate(records, start=1):
        assert record.valid is None
        assert (record.epoch, record.best_epoch) == (epoch, epoch)
        assert record.best_mae == record.train.mae
        named = record.named()
        assert {name.partition("/")[0] for name in named} == {"loss", "train"}
        assert named["train/mae"] == record.train.mae
    assert refit.best_predictions.shape == (0,)


def test_the_last_weights_are_kept(refit_of: Refits) -> None:
    refit = refit_of()
    list(refit.epochs())
    assert_equal(refit.best_weights, refit.model.state_dict())


@pytest.mark.parametrize("rates", [(), RATES[:2], (*RATES, 1e-3)])
def test_a_wrong_number_of_rates_is_refused(
    tiny_config: Config, tiny_sizes: InputSizes, train: Split, rates: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match=rf"^{len(rates)} learning rates for 3 epochs$"):
        Training(tiny_config, tiny_sizes, train, None, seed=0, max_epochs=3, learning_rates=rates)


def saved(state: dict[str, Any]) -> Any:
    """Return a state as it comes back from disk."""
    file = BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_saved_and_restored_it_goes_on_as_if_nothing_had_happened(
    refit_of: Refits, after: int
) -> None:
    whole, interrupted, resumed = (refit_of() for _ in range(3))
    list(whole.epochs())
    for _ in range(after):
        interrupted.train_epoch()
    state = saved(interrupted.state())
    torch.manual_seed(12345)
    resumed.restore(state)
    list(resumed.epochs())
    assert timeless(resumed.history) == timeless(whole.history)
    assert_equal(resumed.model.state_dict(), whole.model.state_dict())
    assert_equal(resumed.best_weights, whole.best_weights)


def test_several_refits_are_their_mean(refit_of: Refits) -> None:
    alone = [refit_of(seed=seed) for seed in (3, 4)]
    for each in alone:
        list(each.epochs())
    together = Replicates([refit_of(seed=seed) for seed in (3, 4)])
    while not together.finished:
        together.train_epoch()
    assert len(together.history) == len(RATES)
    for record, first, second in zip(
        together.history, alone[0].history, alone[1].history, strict=True
    ):
        assert record.valid is None
        assert not [name for name in record.named() if name.startswith("valid/")]
        assert record.train.mae == pytest.approx((first.train.mae + second.train.mae) / 2)
    again = Replicates([refit_of(seed=seed) for seed in (3, 4)])
    again.restore(saved(together.state()))
    assert again.finished
    assert again.history == together.history


def test_one_refit_alone_is_itself(refit_of: Refits) -> None:
    alone = refit_of()
    list(alone.epochs())
    together = Replicates([refit_of()])
    while not together.finished:
        together.train_epoch()
    assert timeless(together.history) == timeless(alone.history)
