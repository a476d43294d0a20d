"""Who takes part in a promotion."""

import pytest
from optuna.trial import create_trial

from dlf.command import BadInputError
from dlf.config import Config
from search.promotion.finalists import choose_finalists
from search.study.budget import Budget
from search.study.records import finished_trials
from search.trial.plan import TrialPlan
from tests.support.simulation import EPOCHS, SimulatedSearch


def test_the_best_trials_and_the_papers_are_finalists(simulated: SimulatedSearch) -> None:
    paper = Config().with_values({"margin": 0.9, "width": 40})
    simulated.identity = simulated.identity.model_copy(update={"paper": paper})
    study = simulated.run(30)
    ranked = [trial.number for trial in finished_trials(study)]
    assert ranked[0] != 0
    chosen = choose_finalists(study, simulated.identity, 2, max_epochs=7, paper_epochs=50)
    assert [each.number for each in chosen] == [*ranked[:2], 0]
    assert [each.max_epochs for each in chosen] == [7, 7, 50]
    assert [each.name for each in chosen] == [
        *(f"trial {number}" for number in ranked[:2]),
        "trial 0 (paper)",
    ]
    assert all(each.learning_rates == () for each in chosen)
    best, last = chosen[0], chosen[-1]
    params = study.trials[ranked[0]].params
    assert best.params == params
    assert best.config == simulated.identity.base.with_values(params)
    assert last.config == paper
    assert last.params["margin"] == 0.9


def test_the_papers_configuration_is_not_tried_twice(simulated: SimulatedSearch) -> None:
    """It takes nobody's place either, though it leads the search."""

    def curve(plan: TrialPlan, epoch: int) -> float:
        return 0.9 if plan.number else 1.0 if epoch < EPOCHS else 0.5

    study = simulated.run(2, curve=curve)
    assert [trial.number for trial in finished_trials(study)] == [0, 1]
    chosen = choose_finalists(study, simulated.identity, 1, max_epochs=7, paper_epochs=50)
    assert [(each.number, each.max_epochs) for each in chosen] == [(1, 7), (0, 50)]


def test_a_configuration_that_was_tried_several_times_is_one_finalist(
    simulated: SimulatedSearch,
) -> None:
    """The best one here is the paper's under another number, and the next one is there twice."""
    study, identity = simulated.run(2), simulated.identity
    other = study.trials[1]
    papers = {**other.params, **identity.shown_params(0, {})}
    for params, value in ((papers, 0.01), (other.params, 0.02), (other.params, 0.03)):
        study.add_trial(create_trial(params=params, distributions=other.distributions, value=value))
    assert identity.config_of(2, papers) == identity.paper
    assert [trial.number for trial in finished_trials(study)][:3] == [2, 3, 4]
    chosen = choose_finalists(study, identity, 3, max_epochs=7, paper_epochs=50)
    assert [each.number for each in chosen] == [3, 0]


def test_a_study_without_a_complete_trial_is_refused(simulated: SimulatedSearch) -> None:
    study = simulated.run(1, budget=Budget(trials=1, epochs=1), curve=lambda *_: 1.0)
    with pytest.raises(BadInputError, match="no complete trial"):
        choose_finalists(study, simulated.identity, 1, max_epochs=7, paper_epochs=50)


def test_a_configuration_that_was_tried_twice_is_one_finalist(simulated: SimulatedSearch) -> None:
    space = simulated.identity.space
    simulated.identity = simulated.identity.model_copy(
        update={"space": space.without([name for name in space.parameters if name != "margin"])}
    )
    source = simulated.source(Budget(trials=4))
    for margin in (0.3, 0.3, 0.5):
        source._study.enqueue_trial({"margin": margin})
    study = simulated.run(4, curve=lambda plan, _: 2 - plan.number / 10, slots=1)
    assert len(finished_trials(study)) == 4
    chosen = choose_finalists(study, simulated.identity, 3, max_epochs=7, paper_epochs=50)
    assert [each.config.loss.margin for each in chosen] == [0.5, 0.3, 0.15]
