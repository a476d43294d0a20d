"""Training: its records, its ends, and that it can be saved and restored unnoticed."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlf.config import Config, Value
from dlf.data import Split
from dlf.metrics import compute_metrics
from dlf.modalities import InputSizes
from dlf.training.batching import Batch, Clips
from dlf.training.inference import predict
from dlf.training.optimisation import Learned
from dlf.training.training import EpochRecord, NonFiniteError, Training

Trainings = Callable[..., Training]


@pytest.fixture(scope="module")
def train(planted_split: Callable[..., Split]) -> Split:
    return planted_split(28, seed=1)


@pytest.fixture(scope="module")
def valid(planted_split: Callable[..., Split]) -> Split:
    return planted_split(16, seed=2)


@pytest.fixture(scope="module")
def training_of(
    tiny_config: Config, tiny_sizes: InputSizes, train: Split, valid: Split
) -> Trainings:
    """Make a training of the tiny model; 28 clips are 4 batches."""

    def make(seed: int = 0, max_epochs: int = 4, **values: Value) -> Training:
        config = tiny_config.with_values(values)
        return Training(config, tiny_sizes, train, valid, seed=seed, max_epochs=max_epochs)

    return make


def timeless(history: list[EpochRecord]) -> list[dict[str, Any]]:
    return [record.model_dump(exclude={"seconds"}) for record in history]


def learned_by(training: Training) -> list[Tensor]:
    """Return a list that will hold the losses of every batch that the training learns from."""
    seen: list[Tensor] = []
    learn = training._optimisation.learn

    def noted(batch: Batch) -> Learned:
        learned = learn(batch)
        seen.append(learned.losses)
        return learned

    training._optimisation.learn = noted  # type: ignore[method-assign]
    return seen


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


PRECISIONS = ["float32", "bfloat16"]


class TestSameAgain:
    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_one_seed_is_one_training(self, training_of: Trainings, precision: str) -> None:
        first, second, other = (
            training_of(seed=seed, max_epochs=2, precision=precision) for seed in (3, 3, 4)
        )
        for training in (first, second, other):
            torch.rand(training.seed)
            list(training.epochs())
        assert timeless(first.history) == timeless(second.history)
        assert_equal(first.model.state_dict(), second.model.state_dict())
        assert timeless(first.history) != timeless(other.history)

    @pytest.mark.parametrize(
        ("after", "precision"), [(1, "float32"), (3, "float32"), (2, "bfloat16")]
    )
    def test_saved_and_restored_goes_on_as_if_nothing_had_happened(
        self, training_of: Trainings, after: int, precision: str
    ) -> None:
        # so slow a training is on a plateau from the start
        settings: dict[str, Any] = {
            "precision": precision,
            "max_epochs": 4,
            "plateau_patience": 0,
            "learning_rate": 1e-7,
        }
        whole = training_of(**settings)
        list(whole.epochs())
        rates = [record.learning_rate for record in whole.history]
        assert len(set(rates)) > 1, "the schedule has something to remember"

        interrupted = training_of(**settings)
        for _ in range(after):
            interrupted.train_epoch()
        file = BytesIO()
        torch.save(interrupted.state(), file)
        file.seek(0)
        torch.manual_seed(12345)
        resumed = training_of(**settings)
        resumed.restore(torch.load(file, weights_only=True))
        assert resumed.history == interrupted.history
        list(resumed.epochs())

        assert timeless(resumed.history) == timeless(whole.history)
        assert_equal(resumed.model.state_dict(), whole.model.state_dict())
        assert_equal(resumed.best_weights, whole.best_weights)

    def test_the_schedule_is_restored(self, training_of: Trainings) -> None:
        # nothing gets better, so the rate is halved after the second epoch that is not
        settings = {"max_epochs": 4, "clip_at": 1e-30, "plateau_patience": 1}
        interrupted, resumed = training_of(**settings), training_of(**settings)
        interrupted.train_epoch()
        interrupted.train_epoch()
        resumed.restore(interrupted.state())
        rates = [record.learning_rate for record in resumed.epochs()]
        assert rates == [3e-3, 1.5e-3]

    def test_the_best_predictions_are_restored(self, training_of: Trainings) -> None:
        training, resumed = training_of(), training_of()
        training.train_epoch()
        assert training.best_predictions.any()
        resumed.restore(training.state())
        np.testing.assert_array_equal(resumed.best_predictions, training.best_predictions)

    def test_a_finished_training_stays_finished(self, training_of: Trainings) -> None:
        training = training_of(max_epochs=1)
        training.train_epoch()
        resumed = training_of(max_epochs=1)
        assert not resumed.finished
        resumed.restore(training.state())
        assert resumed.finished
        assert list(resumed.epochs()) == []


class TestEpochsDiffer:
    """The seed and the number of an epoch decide what is drawn in it."""

    def test_in_what_is_dropped(
        self, training_of: Trainings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = training_of()._train.shuffled(0, 1)
        monkeypatch.setattr(Clips, "shuffled", lambda *_: order)
        training = training_of(learning_rate=1e-30)
        first, second = training.train_epoch(), training.train_epoch()
        assert first.valid == second.valid, "nothing was learned"
        assert first.train != second.train

    def test_in_the_order_of_the_clips(
        self, training_of: Trainings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        shuffled = Clips.shuffled

        def noted(clips: Clips, seed: int, epoch: int) -> list[NDArray[np.intp]]:
            asked.append((seed, epoch))
            return shuffled(clips, seed, epoch)

        monkeypatch.setattr(Clips, "shuffled", noted)
        training = training_of(seed=3)
        training.train_epoch()
        training.train_epoch()
        assert asked == [(3, 1), (3, 2)]
        assert not np.array_equal(
            *(np.concatenate(training._train.shuffled(3, epoch)) for epoch in (1, 2))
        )


class TestEnds:
    def test_by_number(self, training_of: Trainings) -> None:
        records = list(training_of(max_epochs=3).epochs())
        assert [record.epoch for record in records] == [1, 2, 3]
        assert [record.finished for record in records] == [False, False, True]

    def test_by_patience_and_the_plateau_halves_the_rate(self, training_of: Trainings) -> None:
        # gradients clipped to nearly nothing change no weight: no epoch is better than the first
        training = training_of(
            max_epochs=50, clip_at=1e-30, patience=4, plateau_patience=1, plateau_factor=0.5
        )
        records = list(training.epochs())
        assert [record.epoch for record in records] == [1, 2, 3, 4, 5]
        assert [record.finished for record in records] == [False] * 4 + [True]
        assert {record.best_epoch for record in records} == {1}
        rates = [record.learning_rate for record in records]
        assert rates == [3e-3, 3e-3, 3e-3, 1.5e-3, 1.5e-3]

    def test_by_validation_predictions_that_are_no_numbers(self, training_of: Trainings) -> None:
        # the one step of the epoch comes after its last loss
        training = training_of(learning_rate=1e30, accumulation=4)
        with pytest.raises(NonFiniteError, match=r"validation prediction.*epoch 1"):
            training.train_epoch()
        assert training.history == []

    @pytest.mark.parametrize("accumulation", [1, 2, 3])
    def test_at_the_very_batch_whose_loss_is_no_number(
        self, training_of: Trainings, accumulation: int
    ) -> None:
        training = training_of(learning_rate=1e30, accumulation=accumulation)
        seen = learned_by(training)
        batch = accumulation + 1
        with pytest.raises(NonFiniteError, match=rf"loss/\w+ is \S+ in epoch 1, by batch {batch}$"):
            training.train_epoch()
        assert [bool(losses.isfinite().all()) for losses in seen] == [True] * accumulation + [False]
        assert training.history == []

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_by_a_weight_that_is_no_number(self, training_of: Trainings, precision: str) -> None:
        training = training_of(precision=precision)
        training.train_epoch()
        with torch.no_grad():
            training.model.fusion_head.out.bias.fill_(torch.nan)
        with pytest.raises(NonFiniteError, match=r"loss/total is nan in epoch 2, by batch 1$"):
            training.train_epoch()
        assert len(training.history) == 1

    def test_by_a_part_of_the_loss_that_is_no_number(self, training_of: Trainings) -> None:
        """Nothing but the margin loss reads the alignments."""
        training = training_of()
        with torch.no_grad():
            training.model.disentanglement.alignments[0].weight[:] = torch.inf
        with pytest.raises(NonFiniteError, match=r"in epoch 1, by batch 1$"):
            training.train_epoch()


class TestRecord:
    def test_best_weights_are_those_of_the_best_epoch(
        self, training_of: Trainings, tiny_sizes: InputSizes, valid: Split
    ) -> None:
        for seed in range(20):
            training = training_of(seed=seed, max_epochs=5, learning_rate=0.05)
            records = list(training.epochs())
            last = records[-1]
            if 1 < last.best_epoch < last.epoch:
                break
        errors = [record.valid.mae for record in records]
        assert 1 < last.best_epoch < last.epoch, "the best epoch is neither the first nor the last"
        assert last.best_epoch == 1 + int(np.argmin(errors))
        assert [record.best_mae for record in records] == list(np.minimum.accumulate(errors))
        assert last.named()["valid/best_mae"] == min(errors)

        clips = Clips(valid, tiny_sizes, training.config, "cpu")
        assert np.abs(training.best_predictions - valid.labels).mean() == min(errors)
        for weights, epoch in (
            (training.model.state_dict(), last.epoch),
            (training.best_weights, last.best_epoch),
        ):
            training.model.load_state_dict(weights)
            metrics = compute_metrics(predict(training.model, clips, training.config), valid.labels)
            assert metrics == records[epoch - 1].valid

    def test_names(self, training_of: Trainings) -> None:
        record = training_of().train_epoch()
        named = record.named()
        measured = {"mae", "corr", "acc7", "acc5", "acc2", "f1"}
        losses = {"total", "task", "reconstruction", "specific", "margin", "orthogonality"}
        assert set(named) == (
            {f"loss/{name}" for name in losses}
            | {f"{split}/{name}" for split in ("train", "valid") for name in measured}
            | {"valid/best_mae"}
        )
        assert named["train/mae"] == record.train.mae
        assert named["loss/margin"] == record.loss.margin
        assert all(np.isfinite(value) for value in named.values())

    def test_training_metrics_are_of_the_clips_own_labels(self, training_of: Trainings) -> None:
        training = training_of(learning_rate=1e-30, **dict.fromkeys(DROPOUTS, 0.0))
        record = training.train_epoch()
        expected = compute_metrics(
            predict(training.model, training._train, training.config),
            training._train.labels.numpy(),
        )
        assert record.train.mae == pytest.approx(expected.mae, rel=1e-5)
        assert record.train.corr == pytest.approx(expected.corr, abs=1e-4)


DROPOUTS = [name for name in Config().values() if name.endswith("_dropout")]


class TestLeftovers:
    def test_do_not_reach_the_next_epoch(self, training_of: Trainings) -> None:
        training = training_of(accumulation=3)
        training.train_epoch()
        resumed = training_of(accumulation=3)
        file = BytesIO()
        torch.save(training.state(), file)
        file.seek(0)
        training.train_epoch()
        resumed.restore(torch.load(file, weights_only=True))
        resumed.train_epoch()
        assert_equal(training.model.state_dict(), resumed.model.state_dict())


class TestPrecision:
    def test_parameters_stay_float32_and_learn_much_the_same(self, training_of: Trainings) -> None:
        exact, mixed = (training_of(precision=precision) for precision in PRECISIONS)
        torch.testing.assert_close(mixed.model.state_dict(), exact.model.state_dict())
        for training in (exact, mixed):
            list(training.epochs())
        assert {x.dtype for x in mixed.model.state_dict().values()} == {torch.float32}
        assert timeless(mixed.history) != timeless(exact.history)
        for ours, theirs in zip(mixed.history, exact.history, strict=True):
            assert ours.named() == pytest.approx(theirs.named(), rel=0.2, abs=0.2)


def test_it_learns(
    tiny_config: Config, tiny_sizes: InputSizes, planted_split: Callable[..., Split]
) -> None:
    train, valid = planted_split(120, seed=5), planted_split(40, seed=6)
    config = tiny_config.with_values({"learning_rate": 0.01})
    training = Training(config, tiny_sizes, train, valid, seed=0, max_epochs=4)
    last = list(training.epochs())[-1]
    of_the_median = float(np.abs(valid.labels - np.median(train.labels)).mean())
    assert last.best_mae < 0.7 * of_the_median
    assert last.valid.corr > 0.7
    assert last.loss.total < training.history[0].loss.total
