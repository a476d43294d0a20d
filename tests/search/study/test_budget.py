"""When a search ends, and which bound it says was met."""

import pytest

from dlf.command import BadInputError
from search.study.budget import Budget, BudgetKeeper, duration, shown_duration, target
from search.study.records import count_epochs, outcome_of
from tests.support.simulation import SimulatedSearch
from tracking.records import TrialState


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45", 45), ("45s", 45), ("1.5h", 5400)],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds
    assert duration(shown_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "soon", "2x", "-1h", "0", "0m", "h", "nan", "1h-2m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        duration(text)


def test_a_target_is_of_the_objective() -> None:
    assert target("valid/mae=0.70") == 0.7
    for text in ("valid/mae", "valid/mae=", "valid/mae=low", "valid/mae=-1", "valid/mae=nan"):
        with pytest.raises(BadInputError, match="such as"):
            target(text)
    with pytest.raises(BadInputError, match="not of 'valid/corr'"):
        target("valid/corr=0.8")


def test_all_trials_is_the_end_where_nothing_else_is_met(simulated: SimulatedSearch) -> None:
    simulated.run(5)
    assert simulated.keeper.ended_by == "all 5 trials are done"


def test_the_epochs_of_all_trials_are_bounded(simulated: SimulatedSearch) -> None:
    """The epochs that are under way when it is spent are trained to their ends."""
    slots = 4
    study = simulated.run(40, budget=Budget(trials=40, epochs=50), slots=slots)
    assert 50 <= count_epochs(study.trials) < 50 + slots
    assert simulated.keeper.ended_by == "the budget of 50 epochs is spent"
    stopped = [t for t in study.trials if t.user_attrs.get("reason") == simulated.keeper.spent]
    assert stopped
    outcomes = [outcome_of(trial) for trial in study.trials]
    assert all(outcome is not None for outcome in outcomes)
    assert TrialState.FAILED not in {outcome.state for outcome in outcomes if outcome}


def test_a_trial_that_reaches_the_target_is_complete_and_the_last(
    simulated: SimulatedSearch,
) -> None:
    """The paper's trial begins at 1.4 as all others; the fifth is good from its second epoch on."""
    study = simulated.run(
        40,
        curve=lambda plan, epoch: 0.6 if (plan.number, epoch) == (5, 2) else 1.4 - epoch / 100,
        budget=Budget(trials=40, target=0.65),
    )
    reached = study.trials[5]
    assert (reached.state.name, reached.value) == ("COMPLETE", 0.6)
    assert len(reached.intermediate_values) == 2
    assert simulated.keeper.ended_by == "trial 5 reached the target, valid/mae 0.6000"
    assert len(study.trials) < 12
    assert not any(trial.state.name == "RUNNING" for trial in study.trials)


def test_patience_counts_trials_that_end_without_progress(simulated: SimulatedSearch) -> None:
    study = simulated.run(
        40,
        curve=lambda plan, epoch: max(1.0, 1.3 - plan.number / 10) - epoch / 1000,
        budget=Budget(trials=40, patience=6),
        slots=1,
    )
    assert simulated.keeper.ended_by == "no better trial among the last 6"
    assert len(study.trials) == 4 + 6


def test_the_clock_ends_a_search_between_two_epochs() -> None:
    now = [100.0]
    keeper = BudgetKeeper(Budget(trials=9, seconds=60), clock=lambda: now[0])
    keeper.look_at_the_clock()
    assert keeper.spent is None
    now[0] = 160.0
    keeper.look_at_the_clock()
    assert keeper.spent == "the time budget of 1m is spent"


def test_the_first_bound_that_is_met_is_the_one_that_is_told() -> None:
    keeper = BudgetKeeper(Budget(trials=9, epochs=1, target=0.7))
    keeper.epoch_trained(3, 0.9)
    keeper.epoch_trained(3, 0.6)
    assert keeper.ended_by == "the budget of 1 epochs is spent"
    assert keeper.reached_by is None


def test_a_bound_is_met_by_what_equals_it() -> None:
    epochs = BudgetKeeper(Budget(trials=9, epochs=2))
    epochs.epoch_trained(0, 0.9)
    assert epochs.spent is None
    epochs.epoch_trained(0, 0.9)
    assert epochs.spent == "the budget of 2 epochs is spent"
    reached = BudgetKeeper(Budget(trials=9, target=0.7))
    reached.epoch_trained(3, 0.7)
    assert reached.reached_by == 3


def test_progress_is_measured_by_the_best_of_all() -> None:
    """A trial that is better than the last alone is none."""
    keeper = BudgetKeeper(Budget(trials=9, patience=2))
    for value in (0.8, 0.9, 0.7, 0.95):
        keeper.trial_ended(value)
    assert keeper.spent is None
    keeper.trial_ended(0.85)
    assert keeper.spent == "no better trial among the last 2"


def test_a_failed_trial_does_not_count_for_patience() -> None:
    keeper = BudgetKeeper(Budget(trials=9, patience=1))
    keeper.trial_ended(0.8)
    keeper.trial_ended(None)
    assert keeper.spent is None


def test_no_trial_is_left_where_there_were_more_than_are_wanted() -> None:
    keeper = BudgetKeeper(Budget(trials=2))
    left = []
    for _ in range(3):
        keeper.trial_asked()
        left.append(keeper.trials_left())
    assert left == [1, 0, 0]


@pytest.mark.parametrize("text", ["valid/mae=inf", "valid/mae=0"])
def test_a_target_can_be_reached_and_missed(text: str) -> None:
    with pytest.raises(BadInputError, match="names no validation MAE"):
        target(text)


def test_a_bound_that_is_met_later_does_not_take_its_place() -> None:
    now = 0.0
    keeper = BudgetKeeper(Budget(trials=9, epochs=1, seconds=60), clock=lambda: now)
    keeper.epoch_trained(0, 0.9)
    now = 60.0
    keeper.look_at_the_clock()
    assert keeper.ended_by == "the budget of 1 epochs is spent"
