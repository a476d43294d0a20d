"""Who takes part in a promotion."""

import pytest

from dlf.command import BadInputError
from dlf.config import Config
from search.budget import Budget
from search.finalists import choose_finalists
from search.study_records import finished_trials
from tests.support.simulation import SimulatedSearch


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
    study = simulated.run(4, curve=lambda plan, epoch: 1.0 + plan.number - epoch / 100)
    chosen = choose_finalists(study, simulated.identity, 1, max_epochs=7, paper_epochs=50)
    assert [(each.number, each.max_epochs) for each in chosen] == [(0, 50)]


def test_a_study_without_a_complete_trial_is_refused(simulated: SimulatedSearch) -> None:
    study = simulated.run(1, budget=Budget(trials=1, epochs=1), curve=lambda *_: 1.0)
    with pytest.raises(BadInputError, match="no complete trial"):
        choose_finalists(study, simulated.identity, 1, max_epochs=7, paper_epochs=50)
