"""What is read from a study: what counts as a trial of it, as finished, as trained, as better."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.study.records import (
    COPY_OF,
    DUPLICATE_OF,
    REASON,
    count_epochs,
    count_states,
    ends_of,
    finished_trials,
    last_value,
    outcome_of,
    own_trials,
    trial_name,
    trials_differ,
)
from tests.support.simulation import SimulatedSearch
from tracking.records import Outcome
from tracking.records import TrialState as Recorded

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING
ANY = FloatDistribution(0, 1)


def trial(
    state: TrialState,
    *values: float,
    reached: float | None = None,
    params: dict[str, float] | None = None,
    **attrs: object,
) -> FrozenTrial:
    """A trial that reported these values, one an epoch; if it is complete the last is its own."""
    params = {} if params is None else params
    return create_trial(
        state=state,
        value=values[-1] if reached is None and values and state is COMPLETE else reached,
        params=params,
        distributions=dict.fromkeys(params, ANY),
        intermediate_values=dict(enumerate(values, start=1)),
        user_attrs=attrs,
    )


def study_of(*trials: FrozenTrial) -> optuna.Study:
    study = optuna.create_study()
    study.add_trials(trials)
    return study


STUDY = (
    trial(COMPLETE, 1.0, 0.9),
    trial(PRUNED, 0.5, 0.4, reached=0.4),
    trial(COMPLETE, 0.8),
    trial(FAIL, 0.3, **{REASON: "loss/total is nan"}),
    trial(COMPLETE, 0.9, 0.8),
    trial(RUNNING, 0.2),
    trial(WAITING),
    trial(COMPLETE, 0.1, **{COPY_OF: "another study"}),
    trial(COMPLETE, 0.8, **{DUPLICATE_OF: 2}),
)


def test_own_trials_are_those_that_were_begun_here() -> None:
    assert [each.number for each in own_trials(study_of(*STUDY))] == [0, 1, 2, 3, 4, 5, 8]


def test_finished_trials_are_complete_the_best_first_and_of_equal_ones_the_first() -> None:
    found = finished_trials(study_of(*STUDY))
    assert [(each.number, each.value) for each in found] == [
        (2, 0.8),
        (4, 0.8),
        (8, 0.8),
        (0, 0.9),
    ]


def test_each_end_is_told_in_our_own_terms() -> None:
    assert ends_of(study_of(*STUDY)) == {
        **{number: Outcome(state=Recorded.COMPLETE) for number in (0, 2, 4, 8)},
        1: Outcome(state=Recorded.PRUNED),
        3: Outcome(state=Recorded.FAILED, reason="loss/total is nan"),
    }
    assert outcome_of(trial(RUNNING)) is None


def test_states_are_counted_by_how_trials_ended() -> None:
    states = count_states(STUDY)
    assert states == {Recorded.COMPLETE: 5, Recorded.PRUNED: 1, Recorded.FAILED: 1}


def test_epochs_are_counted_once_each() -> None:
    assert count_epochs(STUDY) == 2 + 2 + 1 + 1 + 2 + 1 + 0 + 1


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (trial(PRUNED, 0.9, 0.8, 0.7), 0.7),
        (trial(COMPLETE, 0.7, 0.8), 0.8),
        (trial(COMPLETE, reached=0.6), 0.6),
        (trial(FAIL), None),
        (trial(RUNNING, 0.9), 0.9),
    ],
)
def test_the_value_of_a_trial_is_the_last_that_it_reported(
    given: FrozenTrial, value: float | None
) -> None:
    assert last_value(given) == value


def test_trials_differ_by_the_names_of_their_parameters(simulated: SimulatedSearch) -> None:
    one, other = {"margin": 0.1}, {"margin": 0.1, "width": 0.5}
    identity = simulated.identity
    assert not trials_differ([], identity)
    assert not trials_differ([trial(FAIL, params=one), trial(RUNNING, params=one)], identity)
    assert trials_differ([trial(FAIL, params=one), trial(FAIL, params=other)], identity)
    assert not trials_differ([trial(FAIL, params=one), trial(WAITING, params=other)], identity)


def test_trials_differ_where_the_papers_is_outside_of_the_ranges(
    simulated: SimulatedSearch,
) -> None:
    paper = simulated.identity.paper.with_values({"margin": 1.5})
    assert trials_differ([], simulated.identity.model_copy(update={"paper": paper}))


def test_only_the_papers_trial_has_a_name_of_its_own() -> None:
    assert (trial_name(0), trial_name(3)) == ("trial 0 (paper)", "trial 3")
