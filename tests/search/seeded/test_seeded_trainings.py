"""Each entrant is trained on each seed once, whoever is killed meanwhile."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dlf.command import WorkFailedError
from search.engine.ledger import TrialLedger
from search.seeded.seeded_trainings import SeededTrainings
from search.trial.checkpoint_files import CheckpointsAwayError
from search.trial.checkpoints import STATE_FILE, Checkpoints
from search.trial.plan import TrialPlan
from tests.support.epoch_records import epoch_record
from tests.support.kept_study import COMPLETE
from tests.support.memory_recorder import MemoryRecorder
from tests.support.seeded_trainings import (
    LABELS,
    MadeUpTrainings,
    all_plans,
    ended_training,
    entrant,
    failed,
    predictions,
)
from tracking.records import Outcome, TrialState

FIRST, SECOND = entrant(7, max_epochs=4), entrant(0, max_epochs=50)
SEEDS = (101, 102, 103)


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUpTrainings:
    return MadeUpTrainings(tmp_path)


def source_of(
    made_up: MadeUpTrainings, *, seeds: Sequence[int] = SEEDS, first: int = 0, word: str = "seed"
) -> SeededTrainings:
    return SeededTrainings(
        [FIRST, SECOND],
        seeds,
        kept=made_up.kept,
        checkpoints=made_up.checkpoints,
        first_number=first,
        word=word,
    )


def numbers_left(made_up: MadeUpTrainings) -> list[int]:
    """Return what a process that goes on hands out."""
    return [plan.number for plan in all_plans(source_of(made_up))]


def test_every_entrant_is_trained_on_every_seed_once(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up, first=10, word="final seed")
    plans = all_plans(source)
    assert source.next_trial() is None
    assert source.total == 6
    assert [(plan.number, plan.name, *plan.seeds) for plan in plans] == [
        (10, "trial 7, final seed 0", 101),
        (11, "trial 7, final seed 1", 102),
        (12, "trial 7, final seed 2", 103),
        (13, "trial 0 (paper), final seed 0", 101),
        (14, "trial 0 (paper), final seed 1", 102),
        (15, "trial 0 (paper), final seed 2", 103),
    ]
    for plan in plans:
        whose, index = source.place_of(plan.number)
        assert whose == (FIRST if plan.number < 13 else SECOND)
        assert source.number_of(whose, index) == plan.number
        assert (plan.params, plan.config, plan.max_epochs) == (
            whose.params,
            whose.config,
            whose.max_epochs,
        )
    assert source.under_way == [10, 11, 12, 13, 14, 15]


def test_a_refit_is_told_its_learning_rates(made_up: MadeUpTrainings) -> None:
    refit = entrant(7, max_epochs=2, rates=(1e-3, 1e-4))
    source = SeededTrainings([refit], [5], kept=made_up.kept, checkpoints=made_up.checkpoints)
    (plan,) = all_plans(source)
    assert plan.learning_rates == (1e-3, 1e-4)
    made_up.leave(plan.number, 5, 0.9)
    source.report(0, epoch_record(1, 0.7, 0.7))
    source.end(0, COMPLETE)
    assert made_up.kept.read()[0].predictions == (), "nothing was held out"
    assert source.ended.keys() == {0}


def test_what_ended_is_on_disk_and_not_trained_again(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up)
    all_plans(source)
    made_up.finish(source, 4, 0.8)
    (on_disk,) = made_up.kept.read().values()
    assert (on_disk.number, on_disk.entrant, on_disk.seed) == (4, SECOND.number, 102)
    assert on_disk.outcome == COMPLETE
    assert on_disk == source.ended[4]
    expected = predictions(4, 102, 0.8)
    np.testing.assert_array_equal(np.array(on_disk.predictions, np.float32), expected)
    assert source.under_way == [0, 1, 2, 3, 5]
    second = source_of(made_up)
    assert second.ended == source.ended
    assert second.ended_before == {4: COMPLETE}
    assert source.ended_before == {}
    assert [plan.number for plan in all_plans(second)] == [0, 1, 2, 3, 5]


def test_what_is_trained_now_did_not_end_before(made_up: MadeUpTrainings) -> None:
    first = source_of(made_up)
    all_plans(first)
    made_up.finish(first, 5, 0.8)
    made_up.finish(first, 2, 0.8)
    second = source_of(made_up)
    all_plans(second)
    made_up.finish(second, 0, 0.8)
    assert list(second.ended_before) == [2, 5]


@pytest.mark.parametrize(
    "outcome", [failed("it hung"), Outcome(state=TrialState.PRUNED, reason="it was worse")]
)
def test_one_that_failed_or_was_stopped_is_trained_by_the_next_process(
    made_up: MadeUpTrainings, outcome: Outcome
) -> None:
    source = source_of(made_up)
    all_plans(source)
    source.end(1, outcome)
    assert made_up.kept.read()[1].outcome == outcome
    assert source.next_trial() is None, "this process does not try it again"
    assert source.ended == {}
    assert source_of(made_up).ended_before == {}
    assert numbers_left(made_up) == [0, 1, 2, 3, 4, 5]


def test_failures_are_told_by_entrant_the_first_of_each(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up, word="final seed")
    all_plans(source)
    source.end(4, failed("loss/total is nan"))
    source.end(3, failed("it hung"))
    source.end(0, Outcome(state=TrialState.PRUNED, reason="it was worse"))
    source.end(2, Outcome(state=TrialState.FAILED))
    assert source.failures == {
        0: "final seed 1: loss/total is nan",
        7: "final seed 2: no reason was given",
    }


def test_a_training_that_left_a_checkpoint_goes_on_from_it(made_up: MadeUpTrainings) -> None:
    (made_up.checkpoints.folder / "trial-2").mkdir(parents=True)
    assert [plan.number for plan in all_plans(source_of(made_up)) if plan.begun] == [2]


def test_what_befell_a_training_is_kept_with_it(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up)
    all_plans(source)
    source.note(4, "its node died")
    source.end(4, failed("it hung"))
    source.end(3, failed("it hung"))
    kept = made_up.kept.read()
    assert (kept[4].notes, kept[3].notes) == (("its node died",), ())
    assert source.told == [], "a failure is told with its reason"
    source.note(2, "it ran out of GPU memory\nand went on")
    made_up.finish(source, 2, 0.8)
    assert source.told == ["trial 7, seed 2: it ran out of GPU memory and went on"]
    assert source_of(made_up).told == source.told


def test_a_store_that_is_away_ends_the_work_and_no_training(
    made_up: MadeUpTrainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been waited for; what was learned is still there when it is back."""

    def away(*_: object) -> None:
        raise CheckpointsAwayError("s3://bucket/training.pt cannot be reached: no answer")

    source = source_of(made_up)
    all_plans(source)
    made_up.leave(4, 102, 0.8)
    source.report(4, epoch_record(1, 0.8, 0.8, finished=True))
    with monkeypatch.context() as patched:
        patched.setattr("search.trial.checkpoints.AWAY_SECONDS", -1.0)
        patched.setattr(Checkpoints, "read", away)
        with pytest.raises(WorkFailedError, match="cannot be reached: no answer; go on when it"):
            source.end(4, COMPLETE)
    assert made_up.kept.read() == {}
    second = source_of(made_up)
    assert [plan.number for plan in all_plans(second) if plan.begun] == [4]


def test_epochs_that_are_reported_again_are_kept_once(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up)
    all_plans(source)
    for epoch, mae in ((1, 0.9), (2, 0.8), (1, 0.99), (2, 0.99), (3, 0.7)):
        assert source.report(1, epoch_record(epoch, mae, mae)) is None
    made_up.leave(1, 102, 0.7, epochs=3)
    source.end(1, COMPLETE)
    history = made_up.kept.read()[1].history
    assert [(record.epoch, record.best_mae) for record in history] == [(1, 0.9), (2, 0.8), (3, 0.7)]


@pytest.mark.parametrize(
    ("left", "reason"), [(None, "its state is missing"), (b"garbage", "cannot be read")]
)
def test_one_without_a_readable_state_has_failed(
    made_up: MadeUpTrainings, left: bytes | None, reason: str
) -> None:
    source = source_of(made_up)
    all_plans(source)
    source.report(4, epoch_record(1, 0.8, 0.8, finished=True))
    folder = made_up.checkpoints.folder / "trial-4"
    folder.mkdir(parents=True)
    if left is not None:
        (folder / STATE_FILE).write_bytes(left)
    source.end(4, COMPLETE)
    assert source.ended == {}
    assert "what it has learned could not be kept" in source.failures[0]
    assert reason in source.failures[0]
    on_disk = made_up.kept.read()[4]
    assert on_disk.outcome.state is TrialState.FAILED
    assert len(on_disk.history) == 1
    assert 4 in numbers_left(made_up)


def test_one_whose_last_state_could_not_be_written_has_failed(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up)
    all_plans(source)
    for number, written in ((0, 2), (4, 1)):
        for epoch in (1, 2):
            source.report(number, epoch_record(epoch, 0.8, 0.8, finished=epoch == 2))
        made_up.leave(number, source.seeds[source.place_of(number)[1]], 0.8, written)
        source.end(number, COMPLETE)
    assert source.ended.keys() == {0}
    assert "its state is that of epoch 1 of 2" in source.failures[0]


@pytest.mark.parametrize("others", [{"seed": 104}, {"entrant": 9}])
def test_a_training_of_another_entrant_or_seed_is_not_taken_for_it(
    made_up: MadeUpTrainings, others: dict[str, int]
) -> None:
    own = ended_training(1, 102, 0.7, entrant=FIRST.number)
    made_up.kept.keep(own)
    assert source_of(made_up).ended == {1: own}
    made_up.kept.keep(own.model_copy(update=others))
    assert source_of(made_up).ended == {}
    assert 1 in numbers_left(made_up)


def test_a_folder_that_cannot_be_written_ends_the_work(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up)
    all_plans(source)
    made_up.kept.folder.write_text("a file where the folder should be")
    with pytest.raises(WorkFailedError, match=r"trainings cannot be written: .*; go on when"):
        made_up.finish(source, 0, 0.8)
    made_up.kept.folder.unlink()
    assert numbers_left(made_up) == [0, 1, 2, 3, 4, 5]


def test_trainings_of_others_in_the_same_folder_are_not_its_own(made_up: MadeUpTrainings) -> None:
    race = source_of(made_up)
    all_plans(race)
    made_up.finish(race, 5, 0.8)
    final = source_of(made_up, seeds=(201, 202), first=6)
    assert final.ended_before == {}
    assert [plan.number for plan in all_plans(final)] == [6, 7, 8, 9]
    made_up.finish(final, 9, 0.8)
    assert source_of(made_up).ended_before.keys() == {5}


def test_what_an_entrant_reached_is_in_the_order_of_seeds(made_up: MadeUpTrainings) -> None:
    source = source_of(made_up)
    all_plans(source)
    for number, mae in ((2, 0.6), (0, 0.7), (4, 0.9)):
        made_up.finish(source, number, mae)
    assert source.trainings_of(FIRST) == {0: source.ended[0], 2: source.ended[2]}
    assert source.valid_mae(FIRST) == [0.7, 0.6]
    assert source.mean_mae(FIRST) == pytest.approx(0.65)
    assert source.valid_mae(SECOND) == [0.9]
    expected = [predictions(0, 101, 0.7), predictions(2, 103, 0.6)]
    np.testing.assert_array_equal(
        source.errors_of(FIRST, LABELS), np.abs(np.stack(expected) - LABELS)
    )


def test_recorders_hear_that_what_could_not_be_kept_has_failed(made_up: MadeUpTrainings) -> None:
    recorder = MemoryRecorder()
    ledger = TrialLedger(source_of(made_up), recorder)
    plan = ledger.start("a worker")
    assert isinstance(plan, TrialPlan)
    ledger.report("a worker", epoch_record(1, 0.8, 0.8, finished=True))
    ledger.end("a worker")
    (ended,) = recorder.ended.values()
    assert ended.state is TrialState.FAILED
    assert "its state is missing" in (ended.reason or "")
