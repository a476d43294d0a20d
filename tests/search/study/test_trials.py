"""What Optuna is told of a trial while it runs and at its end, and what a resume counts of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.pruners import ThresholdPruner
from optuna.trial import TrialState

from dlf.config import Config, Value
from dlf.training.training import EpochRecord
from search.spaces.space import Space
from search.study.budget import Budget, BudgetKeeper
from search.study.records import DUPLICATE_OF, NOTES, SEEDS, count_epochs, own_trials
from search.study.starting_points import copy_trials
from search.study.trials import StudyTrials
from search.trial.plan import Settled, TrialPlan
from search.trial.seeds import search_seed
from tests.support.simulation import EPOCHS, DriverKilledError, SimulatedSearch
from tracking.records import Outcome
from tracking.records import TrialState as Recorded

SMALL = """
encoder_layers: {type: int, low: 1, high: 2}
memory_layers: {type: int, low: 2, high: 3}
"""
"""four configurations, one of them the paper's"""

CONDITIONAL = """
margin: {type: float, low: 0.0, high: 1.0}
weight_decay: {type: float, low: 0.0, high: 0.1, when: {optimizer: adam}}
"""

Records = Callable[..., EpochRecord]


@pytest.fixture
def small(tmp_path: Path, record_of_mae: Records) -> SimulatedSearch:
    """A search of a space that is soon exhausted."""
    (tmp_path / "small.yaml").write_text(SMALL)
    space = Space.load(tmp_path / "small.yaml")
    return SimulatedSearch(tmp_path, record_of_mae, space=space, name="small")


def only_the_papers_is_good(plan: TrialPlan, epoch: int) -> float:
    return (1.0 if plan.config == Config() else 1.3) - epoch / 1000


def test_optuna_is_told_the_best_value_so_far(simulated: SimulatedSearch) -> None:
    maes = [1.4, 1.1, 1.3, 1.2, 1.0, 1.5, 1.05, 1.2, 1.1]
    study = simulated.run(1, curve=lambda _, epoch: maes[epoch - 1])
    assert study.trials[0].intermediate_values == dict(
        zip(range(1, EPOCHS + 1), [1.4, 1.1, 1.1, 1.1, 1.0, 1.0, 1.0, 1.0, 1.0], strict=True)
    )
    assert study.trials[0].value == 1.0


def test_an_epoch_that_comes_again_stops_nothing_before_the_last_known_one_does(
    simulated: SimulatedSearch, record_of_mae: Records
) -> None:
    first = simulated.source(Budget(trials=2))
    for number in (0, 1):
        assert isinstance(first.next_trial(), TrialPlan)
        for epoch in (1, 2, 3):
            first.report(number, record_of_mae(epoch, 1.4, 1.4))
    again = simulated.source(Budget(trials=2))
    simulated.study.pruner = ThresholdPruner(upper=1.0)
    said = {
        number: [again.report(number, record_of_mae(epoch, 1.4, 1.4)) for epoch in (1, 2, 3)]
        for number, _ in enumerate([again.next_trial(), again.next_trial()])
    }
    assert said == {0: [None] * 3, 1: [None, None, Outcome(state=Recorded.PRUNED)]}


def test_seeds_are_those_of_the_search_and_of_each_replicate(simulated: SimulatedSearch) -> None:
    simulated.identity = simulated.identity.model_copy(update={"replicates": 3})
    study = simulated.run(2, seed=5)
    assert [trial.user_attrs[SEEDS] for trial in study.trials] == [
        [search_seed(5, number, replicate) for replicate in range(3)] for number in range(2)
    ]


def test_notes_are_kept_one_after_another(simulated: SimulatedSearch) -> None:
    source = simulated.source(Budget(trials=1))
    source.next_trial()
    source.note(0, "its node died")
    source.note(0, "its disk was full")
    assert simulated.study.trials[0].user_attrs[NOTES] == ["its node died", "its disk was full"]


def test_the_clock_is_looked_at_before_every_trial_and_after_every_epoch(
    simulated: SimulatedSearch, record_of_mae: Records
) -> None:
    simulated.source(Budget(trials=3))
    now = 0.0
    source = StudyTrials(
        simulated.study,
        simulated.identity,
        BudgetKeeper(Budget(trials=3, seconds=60), clock=lambda: now),
        seed=0,
        folder=simulated.place.folder,
    )
    for _ in range(2):
        assert isinstance(source.next_trial(), TrialPlan)
    assert source.report(0, record_of_mae(1, 1.0, 1.0)) is None
    now = 60.0
    ended = Outcome(state=Recorded.PRUNED, reason="the time budget of 1m is spent")
    assert source.report(0, record_of_mae(2, 1.0, 1.0)) == ended
    assert source.next_trial() is None


def test_no_trial_begins_once_the_time_is_over(simulated: SimulatedSearch) -> None:
    simulated.source(Budget(trials=3))
    clock = iter([0.0, 60.0])
    source = StudyTrials(
        simulated.study,
        simulated.identity,
        BudgetKeeper(Budget(trials=3, seconds=60), clock=lambda: next(clock)),
        seed=0,
        folder=simulated.place.folder,
    )
    assert source.next_trial() is None


def test_a_trial_under_way_is_not_handed_out_again_once_the_budget_is_spent(
    simulated: SimulatedSearch, record_of_mae: Records
) -> None:
    first = simulated.source(Budget(trials=3))
    first.next_trial()
    first.report(0, record_of_mae(1, 1.0, 1.0))
    again = simulated.source(Budget(trials=3, epochs=1))
    settled = again.next_trial()
    assert isinstance(settled, Settled)
    assert (settled.number, settled.outcome) == (
        0,
        Outcome(state=Recorded.PRUNED, reason="the budget of 1 epochs is spent"),
    )
    assert again.next_trial() is None


def failing_early(plan: TrialPlan, epoch: int) -> float:
    """The second and the third trial look good, and fail; all others are better and better."""
    if plan.number not in (1, 2):
        return 1.0 - plan.number / 10 - epoch / 1000
    if epoch == 2:
        raise ArithmeticError("loss/total is nan")
    return 0.1


@pytest.mark.parametrize("parts", [(6,), (3, 6)])
def test_a_failure_is_neither_progress_nor_the_want_of_it(
    simulated: SimulatedSearch, parts: tuple[int, ...]
) -> None:
    """Neither in the search that saw it nor in one that goes on after it."""
    for trials in parts:
        budget = Budget(trials=trials, patience=2)
        study = simulated.run(trials, curve=failing_early, budget=budget, slots=1)
    assert simulated.keeper.ended_by == "all 6 trials are done"
    assert len(study.trials) == 6


def test_best_file_is_of_the_first_of_equal_trials(simulated: SimulatedSearch) -> None:
    simulated.run(4, curve=lambda *_: 1.0, slots=1)
    kept = Config.from_yaml((simulated.place.folder / "best.yaml").read_text())
    assert kept == Config()


def test_the_papers_parameters_are_those_that_exist_with_its_own_values(
    tmp_path: Path, record_of_mae: Records
) -> None:
    """Whatever the search fixes for all the others."""
    (tmp_path / "conditional.yaml").write_text(CONDITIONAL)
    search = SimulatedSearch(
        tmp_path,
        record_of_mae,
        space=Space.load(tmp_path / "conditional.yaml"),
        base=Config().with_values({"optimizer": "adamw"}),
    )
    study = search.run(2, curve=lambda *_: 1.0)
    assert study.trials[0].params == {"margin": 0.15, "weight_decay": 0.0}
    assert study.trials[1].params.keys() == {"margin"}


def test_the_papers_trial_is_trained_though_a_copy_has_its_configuration(
    simulated: SimulatedSearch, tmp_path: Path, record_of_mae: Records
) -> None:
    former = SimulatedSearch(tmp_path, record_of_mae, name="former")
    former.run(2)
    simulated.source(Budget(trials=1))
    copy_trials(former.place.load(), simulated.study, simulated.identity)
    (paper,) = own_trials(simulated.run(1))
    assert DUPLICATE_OF not in paper.user_attrs
    assert len(paper.intermediate_values) == EPOCHS


def test_a_trial_left_under_way_that_meets_a_target_given_later_is_complete(
    simulated: SimulatedSearch,
) -> None:
    def curve(plan: TrialPlan, epoch: int) -> float:
        if epoch == 5:
            raise DriverKilledError
        return 0.7 if plan.number == 1 else 1.0

    with pytest.raises(DriverKilledError):
        simulated.run(3, curve=curve, slots=2)
    budget = Budget(trials=3, target=0.71)
    study = simulated.run(3, curve=lambda *_: 1.0, budget=budget)
    paper, good = study.trials[:2]
    assert (good.state, good.value) == (TrialState.COMPLETE, 0.7)
    assert paper.state is TrialState.PRUNED
    assert simulated.recorder.ended[1].state.value == "complete"
    assert "trial 1 reached the target" in simulated.keeper.ended_by


class TestDuplicates:
    def test_of_a_trial_that_was_stopped_has_its_last_value_alone(
        self, small: SimulatedSearch
    ) -> None:
        study = small.run(20, curve=only_the_papers_is_good, slots=1)
        stopped = [
            trial
            for trial in study.trials
            if trial.state is TrialState.PRUNED and DUPLICATE_OF in trial.user_attrs
        ]
        assert stopped
        for trial in stopped:
            twin = study.trials[trial.user_attrs[DUPLICATE_OF]]
            last = max(twin.intermediate_values)
            assert last > 1
            assert trial.intermediate_values == {last: twin.intermediate_values[last]}

    def test_are_no_epochs_that_a_resume_counts(self, small: SimulatedSearch) -> None:
        study = small.run(20, curve=only_the_papers_is_good, slots=1)
        trained = [t for t in study.trials if DUPLICATE_OF not in t.user_attrs]
        epochs = sum(len(trial.intermediate_values) for trial in trained)
        small.source(Budget(trials=20))
        assert small.keeper.epochs == epochs == count_epochs(study.trials)

    def test_of_a_failed_trial_are_those_of_the_one_in_its_stead(
        self, small: SimulatedSearch
    ) -> None:
        """Before a resume and after it."""
        failing: dict[str, Value] = {}

        def curve(plan: TrialPlan, epoch: int) -> float:
            if plan.number == 1:
                failing.update(plan.params)
                raise ArithmeticError("a fault of the machine")
            return (0.8 if plan.params == failing else 1.3) - epoch / 1000

        small.run(15, curve=curve, slots=1)
        study = small.run(30, curve=curve, slots=1)
        failed, *others = (t for t in study.trials if t.params == failing)
        assert (failed.number, failed.state) == (1, TrialState.FAIL)
        instead, *duplicates = others
        assert DUPLICATE_OF not in instead.user_attrs
        assert {trial.number >= 15 for trial in duplicates} == {False, True}
        assert {trial.user_attrs.get(DUPLICATE_OF) for trial in duplicates} == {instead.number}
