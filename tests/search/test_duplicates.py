"""A configuration that is drawn again is not trained again, unless that is asked for."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from dlf.config import Config
from search.spaces.space import Space
from search.study.records import DUPLICATE_OF, count_epochs, duplicate_of
from search.trial.plan import Settled, TrialPlan
from tests.support.simulation import DriverKilledError, SimulatedSearch

SMALL = """
encoder_layers: {type: int, low: 1, high: 2}
memory_layers: {type: int, low: 2, high: 3}
"""
"""four configurations, one of them the paper's"""


@pytest.fixture
def small(tmp_path: Path, record_of_mae: Any) -> SimulatedSearch:
    """A search of a space that is soon exhausted."""
    (tmp_path / "small.yaml").write_text(SMALL)
    space = Space.load(tmp_path / "small.yaml")
    return SimulatedSearch(tmp_path, record_of_mae, space=space)


def value(plan: TrialPlan, epoch: int) -> float:
    return 1.0 + float(plan.params["encoder_layers"]) / 10 - epoch / 1000


def test_each_configuration_is_trained_once(small: SimulatedSearch) -> None:
    study = small.run(20, curve=value)
    assert len(study.trials) == 20
    trained = [t for t in study.trials if DUPLICATE_OF not in t.user_attrs]
    assert len(trained) <= 4
    assert len({tuple(sorted(t.params.items())) for t in trained}) == len(trained)
    assert count_epochs(study.trials) == sum(len(t.intermediate_values) for t in trained)


def test_a_duplicate_ends_as_its_twin_did_wherever_it_is_told(small: SimulatedSearch) -> None:
    study = small.run(20, curve=value)
    duplicates = [t for t in study.trials if DUPLICATE_OF in t.user_attrs]
    assert duplicates
    for trial in duplicates:
        twin = study.trials[trial.user_attrs[DUPLICATE_OF]]
        assert (trial.params, trial.state, trial.value) == (twin.params, twin.state, twin.value)
        assert trial.state.name == "PRUNED" or trial.intermediate_values == {}
        assert small.recorder.ended[trial.number] == small.recorder.ended[twin.number]
        assert small.recorder.epochs[trial.number] == []


def test_a_duplicate_is_recorded_with_its_configuration(small: SimulatedSearch) -> None:
    study = small.run(20, curve=value)
    recorded = {trial.number: trial.config_yaml for trial in small.recorder.started}
    duplicates = [t for t in study.trials if DUPLICATE_OF in t.user_attrs]
    assert duplicates
    for trial in duplicates:
        config = small.identity.config_of(trial.number, trial.params)
        assert recorded[trial.number] == config.to_yaml()


def test_a_duplicate_of_a_trial_under_way_waits_for_it(small: SimulatedSearch) -> None:
    with pytest.raises(DriverKilledError):
        small.run(20, curve=lambda plan, epoch: value(plan, epoch) if epoch < 3 else _die())
    waiting = [t for t in small.study.trials if DUPLICATE_OF in t.user_attrs]
    assert waiting
    assert {t.state for t in waiting} == {TrialState.RUNNING}
    study = small.run(20, curve=value)
    assert len(study.trials) == 20
    assert not any(t.state is TrialState.RUNNING for t in study.trials)


def test_a_twin_that_failed_is_trained_again(small: SimulatedSearch) -> None:
    def curve(plan: TrialPlan, epoch: int) -> float:
        if plan.number == 1:
            raise ArithmeticError("a fault of the machine")
        return value(plan, epoch)

    study = small.run(20, curve=curve, slots=1)
    again = [t for t in study.trials[2:] if t.params == study.trials[1].params]
    assert again
    assert again[0].state is not TrialState.FAIL
    assert DUPLICATE_OF not in again[0].user_attrs


def test_the_papers_values_with_another_fixed_value_are_no_duplicate_of_its_trial(
    tmp_path: Path, record_of_mae: Any
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    base = Config().with_values({"patience": 5})
    search = SimulatedSearch(
        tmp_path, record_of_mae, space=Space.load(tmp_path / "small.yaml"), base=base
    )
    study = search.run(20, curve=value)
    alike = [t for t in study.trials[1:] if t.params == study.trials[0].params]
    assert alike
    assert DUPLICATE_OF not in alike[0].user_attrs
    assert {t.user_attrs[DUPLICATE_OF] for t in alike[1:]} <= {alike[0].number}


def test_duplicates_are_trained_where_they_are_asked_for(small: SimulatedSearch) -> None:
    study = small.run(12, curve=value, allow_duplicates=True)
    assert not any(DUPLICATE_OF in t.user_attrs for t in study.trials)


def test_a_duplicate_that_is_trained_after_all_has_its_own_value(small: SimulatedSearch) -> None:
    """One that waited for its twin when the search was ended."""
    with pytest.raises(DriverKilledError):
        small.run(20, curve=lambda plan, epoch: value(plan, epoch) if epoch < 3 else _die())
    waiting = {t.number for t in small.study.trials if DUPLICATE_OF in t.user_attrs}
    assert waiting

    def own(plan: TrialPlan, epoch: int) -> float:
        return value(plan, epoch) + plan.number / 100

    study = small.run(20, curve=own, allow_duplicates=True)
    for number in waiting:
        trial = study.trials[number]
        assert duplicate_of(trial) is None
        assert trial.intermediate_values
        if trial.state is TrialState.COMPLETE:
            assert trial.value == trial.intermediate_values[max(trial.intermediate_values)]


def test_values_that_make_no_configuration_fail_with_their_reason(
    tmp_path: Path, record_of_mae: Any
) -> None:
    (tmp_path / "heads.yaml").write_text("heads: {type: categorical, choices: [10, 7]}")
    space = Space.load(tmp_path / "heads.yaml")
    search = SimulatedSearch(tmp_path, record_of_mae, space=space)
    study = search.run(6, curve=lambda *_: 1.0)
    failed = [t for t in study.trials if t.params == {"heads": 7}]
    assert failed
    assert {t.state for t in failed} == {TrialState.FAIL}
    assert "7 heads do not divide" in failed[0].user_attrs["reason"]
    assert search.recorder.ended[failed[0].number].reason == failed[0].user_attrs["reason"]
    recorded = {trial.number: trial.config_yaml for trial in search.recorder.started}
    assert {recorded[trial.number] for trial in failed} == {""}


def test_a_settled_trial_is_not_handed_to_a_worker() -> None:
    assert not issubclass(Settled, TrialPlan)


def _die() -> float:
    raise DriverKilledError
