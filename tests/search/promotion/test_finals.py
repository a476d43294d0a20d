"""The final trainings keep their models, and a refit trains as the median run of the race did."""

from pathlib import Path

import numpy as np
import pytest

from dlf.command import WorkFailedError
from dlf.data import joined
from dlf.trained_model import WEIGHTS_FILE
from dlf.training.batching import Clips
from dlf.training.inference import predict
from dlf.training.replicates import Replicates
from dlf.training.training import EpochRecord, Training
from search.promotion.finals import Finals, refitted
from search.seeded.ended_trainings import EndedTraining, EndedTrainings
from search.seeded.seeded_trainings import Entrant
from search.trial.checkpoints import STATE_FILE
from search.trial.plan import TrialPlan
from search.trial.seeds import final_seed
from tests.support.epoch_records import epoch_record
from tests.support.kept_study import COMPLETE, Kept
from tests.support.seeded_trainings import all_plans, entrant, failed

PAPER, BEST = entrant(0, max_epochs=2), entrant(4, max_epochs=1)
FIRST_NUMBER = 10

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def kept(tmp_path: Path, tiny_data: Path) -> Kept:
    return Kept(tmp_path, tiny_data)


def finals_of(kept: Kept, *entrants: Entrant) -> Finals:
    folder = kept.files.folder
    return Finals(
        entrants,
        2,
        kept.data,
        folder,
        kept=EndedTrainings(folder=folder / "trainings"),
        checkpoints=kept.checkpoints,
        first_number=FIRST_NUMBER,
    )


def train(kept: Kept, finals: Finals, plan: TrialPlan) -> None:
    """Train as a worker does; the training has not ended yet."""
    manifest, train, valid = kept.data.open()
    refit = bool(plan.learning_rates)
    training = Training(
        plan.config,
        kept.data.sizes(manifest, plan.config),
        joined(train, valid) if refit else train,
        None if refit else valid,
        seed=plan.seeds[0],
        max_epochs=plan.max_epochs,
        learning_rates=plan.learning_rates,
    )
    together = Replicates([training])
    while not together.finished:
        finals.report(plan.number, together.train_epoch())
    kept.checkpoints.write(plan.number, together.state())
    kept.checkpoints.write_predictions(plan.number, training.best_predictions[None])


def train_all(kept: Kept, finals: Finals) -> None:
    for plan in all_plans(finals):
        train(kept, finals, plan)
        finals.end(plan.number, COMPLETE)
        kept.checkpoints.discard(plan.number)


def test_the_models_of_all_seeds_are_kept(kept: Kept) -> None:
    finals = finals_of(kept, PAPER, BEST)
    train_all(kept, finals)
    finals.refuse_failures()
    assert kept.files.all_models().keys() == {10, 11, 12, 13}
    again = finals_of(kept, PAPER, BEST)
    assert again.next_trial() is None
    valid = kept.data.open().valid
    for each in (PAPER, BEST):
        models = again.models_of(each)
        assert [model.card.seed for model in models] == [final_seed(0), final_seed(1)]
        for index, model in enumerate(models):
            ended = again.trainings_of(each)[index]
            assert model.config == each.config
            assert model.card.dataset_digest == kept.data.dataset_digest
            assert model.card.epoch == ended.history[-1].best_epoch
            assert model.card.valid.mae == ended.best_mae
            said = predict(
                model.model, Clips(valid, model.card.sizes, model.config, "cpu"), model.config
            )
            np.testing.assert_allclose(said, ended.predictions, atol=1e-6)
            assert np.abs(said - valid.labels).mean() == pytest.approx(ended.best_mae, rel=1e-5)


def test_a_refit_keeps_a_model_that_saw_all_and_knows_no_validation(kept: Kept) -> None:
    refit = entrant(4, max_epochs=2, rates=(1e-3, 1e-4))
    finals = finals_of(kept, refit)
    train_all(kept, finals)
    finals.refuse_failures()
    for index, model in enumerate(finals.models_of(refit)):
        ended = finals.trainings_of(refit)[index]
        assert [record.learning_rate for record in ended.history] == [1e-3, 1e-4]
        assert ended.predictions == ()
        assert (model.card.epoch, model.card.known_valid) == (2, None)


def test_a_training_whose_state_is_gone_has_failed(kept: Kept) -> None:
    finals = finals_of(kept, BEST)
    plan, other = all_plans(finals)
    train(kept, finals, plan)
    (kept.checkpoints.folder / f"trial-{plan.number}" / STATE_FILE).unlink()
    finals.end(plan.number, COMPLETE)
    assert finals.failures.keys() == {4}
    assert "its state is missing" in finals.failures[4]
    assert finals.ended == {}
    assert [plan.number for plan in all_plans(finals_of(kept, BEST))] == [10, 11]
    assert other.number == 11


def test_a_model_that_cannot_be_written_is_a_failure(kept: Kept) -> None:
    finals = finals_of(kept, BEST)
    plan = all_plans(finals)[0]
    train(kept, finals, plan)
    kept.files.folder.joinpath("models").write_text("a file where the folder should be")
    finals.end(plan.number, COMPLETE)
    assert "could not be kept" in finals.failures[4]
    assert finals.ended == {}


def test_a_failure_is_named_before_the_test_split_is_opened(kept: Kept) -> None:
    finals = finals_of(kept, PAPER, BEST)
    all_plans(finals)
    finals.refuse_failures()
    finals.end(13, failed("loss/total is nan"))
    words = (
        r"final training of trial 4 failed, final seed 1: loss/total is nan; "
        r"the test split was not opened, and --resume"
    )
    with pytest.raises(WorkFailedError, match=words):
        finals.refuse_failures()


def test_of_several_failures_that_of_the_first_trial_is_named(kept: Kept) -> None:
    finals = finals_of(kept, PAPER, BEST)
    all_plans(finals)
    finals.end(13, failed("loss/total is nan"))
    finals.end(10, failed("loss/task is inf"))
    with pytest.raises(WorkFailedError, match="final seed 0: loss/task is inf; the test split"):
        finals.refuse_failures()


@pytest.mark.parametrize("damage", [None, b"", b"garbage of no meaning"])
def test_a_model_that_is_gone_or_damaged_is_named(kept: Kept, damage: bytes | None) -> None:
    finals = finals_of(kept, BEST)
    train_all(kept, finals)
    weights = kept.files.model(11) / WEIGHTS_FILE
    weights.unlink()
    if damage is not None:
        weights.write_bytes(damage)
    with pytest.raises(WorkFailedError, match=r"a model of trial 4 cannot be read.*promote again"):
        finals.models_of(BEST)


class TestRefitted:
    def raced(self, number: int, best_epoch: int, epochs: int) -> EndedTraining:
        """Return a training whose learning rates are its own."""

        def record(epoch: int) -> EpochRecord:
            changes = {"best_epoch": min(epoch, best_epoch), "learning_rate": number + epoch / 100}
            return epoch_record(epoch, 0.7, 0.7).model_copy(update=changes)

        return EndedTraining(
            number=number,
            entrant=0,
            seed=number,
            outcome=COMPLETE,
            history=tuple(map(record, range(1, epochs + 1))),
            predictions=(),
        )

    def test_is_the_median_of_the_race(self) -> None:
        runs = [(1, 9, 12), (2, 3, 6), (3, 5, 8)]
        refit = refitted(BEST, [self.raced(*run) for run in runs])
        assert refit.max_epochs == 5
        assert refit.learning_rates == (3.01, 3.02, 3.03, 3.04, 3.05)
        unchanged = {"max_epochs": BEST.max_epochs, "learning_rates": ()}
        assert refit.model_copy(update=unchanged) == BEST

    def test_is_a_run_that_there_was_where_their_number_is_even(self) -> None:
        runs = [(1, 9, 12), (2, 3, 6), (3, 5, 8), (4, 2, 2)]
        refit = refitted(BEST, [self.raced(*run) for run in runs])
        assert refit.max_epochs == 3
        assert refit.learning_rates == (2.01, 2.02, 2.03)
