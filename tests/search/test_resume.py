"""A driver that dies at any moment, and the one that takes the study up after it."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from dlf.config import Config
from dlf.training.training import EpochRecord
from search.study.budget import Budget
from search.study.identity import PAPER_TRIAL
from search.study.records import SEEDS, count_epochs
from search.trial.plan import TrialPlan
from tests.support.simulation import (
    EPOCHS,
    DriverKilledError,
    SimulatedSearch,
    planted_mae,
)
from tracking.records import TrialState as Recorded

TRIALS = 12


def dying_at(count: int) -> Callable[[TrialPlan, int], float]:
    """A curve whose driver dies before the epoch of this count, over all trials."""
    epochs = iter(range(count))

    def curve(plan: TrialPlan, epoch: int) -> float:
        if next(epochs, None) is None:
            raise DriverKilledError
        return planted_mae(plan.params, epoch)

    return curve


def killed(simulated: SimulatedSearch, after: int) -> None:
    with pytest.raises(DriverKilledError):
        simulated.run(TRIALS, curve=dying_at(after), slots=3)


@pytest.mark.parametrize("deaths", [[0], [1], [5], [14, 3, 30], [2, 2, 2, 2, 2, 2, 2]])
def test_no_trial_is_lost_or_run_twice(simulated: SimulatedSearch, deaths: list[int]) -> None:
    for after in deaths:
        killed(simulated, after)
    study = simulated.run(TRIALS, slots=3)
    assert [t.number for t in study.trials] == list(range(TRIALS))
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert study.trials[PAPER_TRIAL].params == simulated.identity.space.values_of(Config())
    for trial in study.trials:
        epochs = simulated.recorder.epochs[trial.number]
        assert epochs == sorted(trial.intermediate_values) == list(range(1, len(epochs) + 1))
        assert simulated.recorder.ended[trial.number].state is not Recorded.FAILED
    assert len({tuple(t.user_attrs[SEEDS]) for t in study.trials}) == TRIALS


def test_what_was_finished_stays_as_it_was(simulated: SimulatedSearch) -> None:
    killed(simulated, 40)
    before = {t.number: t for t in simulated.study.trials if t.state.is_finished()}
    assert before
    after = simulated.run(TRIALS).trials
    assert all(after[number] == trial for number, trial in before.items())


def test_trials_under_way_go_on_first_and_say_that_they_do(simulated: SimulatedSearch) -> None:
    killed(simulated, 7)
    source = simulated.source(Budget(trials=TRIALS))
    assert source.left_behind == {0, 1, 2}
    plans = [source.next_trial() for _ in range(4)]
    assert [(p.number, p.begun) for p in plans if isinstance(p, TrialPlan)] == [
        *((0, True), (1, True), (2, True), (3, False))
    ]
    assert [p.params for p in plans[:3]] == [t.params for t in simulated.study.trials[:3]]


def test_a_trial_that_was_asked_for_by_half_gets_the_rest_of_its_parameters(
    simulated: SimulatedSearch,
) -> None:
    """A driver may die between two parameters of a trial."""
    simulated.run(3)
    trial = simulated.study.ask()
    margin = trial.suggest_float("margin", 0.0, 1.0)
    study = simulated.run(5)
    assert study.trials[3].params["margin"] == margin
    assert study.trials[3].params.keys() == simulated.identity.space.parameters.keys()
    assert len(study.trials) == 5


def test_the_rule_remembers_its_rungs(simulated: SimulatedSearch) -> None:
    """A trial that is worse than those before the death is stopped at its first rung."""
    good = dict.fromkeys(range(6), 0.7)

    def curve(plan: TrialPlan, epoch: int) -> float:
        if plan.number == 6:
            raise DriverKilledError
        return good[plan.number] - epoch / 1000

    with pytest.raises(DriverKilledError):
        simulated.run(8, curve=curve, slots=1)
    study = simulated.run(8, curve=lambda *_: 1.4, slots=1)
    assert [max(t.intermediate_values) for t in study.trials[6:]] == [3, 3]
    assert {t.state for t in study.trials[6:]} == {TrialState.PRUNED}


def test_a_study_is_extended(simulated: SimulatedSearch) -> None:
    simulated.run(6)
    assert len(simulated.run(10).trials) == 10
    assert len(simulated.run(8).trials) == 10


def test_a_resumed_sampler_does_not_draw_the_same_again(simulated: SimulatedSearch) -> None:
    killed(simulated, 1)
    study = simulated.run(9)
    drawn = [tuple(sorted(t.params.items())) for t in study.trials]
    assert len(set(drawn)) == 9


def test_a_study_killed_at_its_creation_is_begun_anew(
    simulated: SimulatedSearch, tmp_path: Path
) -> None:
    simulated.place.make_folder()
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(simulated.place.folder / "journal.log"))
    )
    optuna.create_study(storage=storage, study_name="simulated")
    simulated.place.refuse_if_taken()
    assert len(simulated.run(3).trials) == 3


def test_a_spent_budget_ends_what_was_under_way(simulated: SimulatedSearch) -> None:
    killed(simulated, 20)
    study = simulated.run(TRIALS, budget=Budget(trials=TRIALS, epochs=20))
    assert count_epochs(study.trials) == 20
    assert not any(t.state is TrialState.RUNNING for t in study.trials)
    stopped = [t for t in study.trials if "budget" in t.user_attrs.get("reason", "")]
    assert stopped
    assert {t.state for t in stopped} == {TrialState.PRUNED}


def test_an_epoch_whose_report_was_lost_is_reported_again(
    simulated: SimulatedSearch, record_of_mae: Callable[..., EpochRecord]
) -> None:
    source = simulated.source(Budget(trials=1))
    assert isinstance(source.next_trial(), TrialPlan)
    for epoch in (1, 2):
        source.report(0, record_of_mae(epoch, 1.0, 1.0))
    again = simulated.source(Budget(trials=1))
    assert isinstance(again.next_trial(), TrialPlan)
    for epoch in range(1, EPOCHS + 1):
        again.report(0, record_of_mae(epoch, 1.0, 1.0))
    assert sorted(simulated.study.trials[0].intermediate_values) == list(range(1, EPOCHS + 1))
    assert simulated.keeper.epochs == EPOCHS
