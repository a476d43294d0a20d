"""What a study is given to begin with: configurations of a file, and trials of another study."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from dlf.command import BadInputError
from dlf.config import Config, Value
from search.spaces.space import Space
from search.study.budget import Budget
from search.study.readings import readings_of, stamp
from search.study.records import COPY_OF, count_states, finished_trials, own_trials
from search.study.starting_points import (
    copy_trials,
    enqueue,
    read_configurations,
    refuse_incompatible,
)
from search.trial.plan import TrialPlan
from tests.support.simulation import SimulatedSearch


def file_of(folder: Path, text: str) -> Path:
    path = folder / "points.yaml"
    path.write_text(text)
    return path


def test_enqueued_configurations_come_right_after_the_papers(
    simulated: SimulatedSearch, tmp_path: Path
) -> None:
    text = "- {margin: 0.5, learning_rate: 1e-3}\n- {lambda_r: 0.2}\n"
    configs = read_configurations(file_of(tmp_path, text), simulated.identity)
    simulated.source(Budget(trials=9))
    for _ in range(2):
        enqueue(simulated.study, simulated.identity, configs)
    study = simulated.run(9)
    assert study.trials[0].params["margin"] == 0.15
    assert study.trials[1].params["margin"] == 0.5
    assert study.trials[1].params["learning_rate"] == 1e-3
    assert study.trials[2].params["lambda_r"] == 0.2
    assert study.trials[3].params["margin"] != 0.5
    assert len(study.trials) == 9


@pytest.mark.parametrize(("fixed", "enqueued"), [({}, 0), ({"patience": 5}, 1)])
def test_the_papers_values_are_tried_again_only_beside_another_fixed_value(
    tmp_path: Path, record_of_mae: Any, fixed: dict[str, Value], enqueued: int
) -> None:
    base = Config().with_values(fixed)
    search = SimulatedSearch(tmp_path, record_of_mae, base=base)
    search.source(Budget(trials=9))
    for _ in range(2):
        enqueue(search.study, search.identity, [base])
    assert len(search.study.trials) == 1 + enqueued


def test_a_whole_configuration_is_taken_as_a_run_keeps_it(
    simulated: SimulatedSearch, tmp_path: Path
) -> None:
    wanted = Config().with_values({"margin": 0.4, "memory_layers": 1})
    found = read_configurations(file_of(tmp_path, wanted.to_yaml()), simulated.identity)
    assert found == [wanted]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {margin: 1.5}", "margin is 1.5"),
        ("- {margins: 0.5}", "did you mean margin"),
        ("- {width: 100}", "width is 100"),
        ("- 3", "no mapping"),
        ("margin: [", "not YAML"),
        ("[]", "no configuration"),
    ],
)
def test_what_the_space_cannot_have_is_refused(
    simulated: SimulatedSearch, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(BadInputError, match=said) as refusal:
        read_configurations(file_of(tmp_path, text), simulated.identity)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.fixture
def source(tmp_path: Path, record_of_mae: Any) -> SimulatedSearch:
    """A study that is done."""
    search = SimulatedSearch(tmp_path, record_of_mae, name="source")
    search.run(30)
    return search


def test_finished_trials_are_copied_once_and_counted_as_nobodys(
    simulated: SimulatedSearch, source: SimulatedSearch
) -> None:
    simulated.source(Budget(trials=8))
    opened = source.place.load()
    refuse_incompatible(opened, simulated.identity)
    assert copy_trials(opened, simulated.study, simulated.identity) == (30, 0)
    assert copy_trials(opened, simulated.study, simulated.identity) == (30, 0)
    study = simulated.run(8)
    copies = [t for t in study.trials if COPY_OF in t.user_attrs]
    assert len(copies) == 30
    assert [(t.params, t.values) for t in copies] == [
        (t.params, t.values) for t in source.study.trials
    ]
    own = own_trials(study)
    assert len(own) == 8 == sum(count_states(own).values())
    assert own[0].number == 0
    assert not {t.number for t in copies} & {t.number for t in finished_trials(study)}
    assert {trial.number for trial in simulated.recorder.started} == {t.number for t in own}


def test_a_warm_start_remembers_that_test_was_read(
    simulated: SimulatedSearch, source: SimulatedSearch
) -> None:
    """What the other study's promotions saw may have led to this one."""
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    stamp(source.study, "20260301", late)
    simulated.source(Budget(trials=8))
    stamp(simulated.study, "20260101", early)
    for _ in range(2):
        copy_trials(source.place.load(), simulated.study, simulated.identity)
    assert [(each.promotion, each.at) for each in readings_of(simulated.study)] == [
        ("20260101", early),
        (f"20260301 of {source.study.study_name}", late),
    ]


def test_a_warm_start_finds_the_optimum_sooner(
    simulated: SimulatedSearch, source: SimulatedSearch
) -> None:
    source.run(80)
    simulated.source(Budget(trials=12))
    copy_trials(source.place.load(), simulated.study, simulated.identity)
    best = finished_trials(simulated.run(12))[0]
    assert best.value < 0.9


def test_trials_of_a_narrower_space_are_left_out_where_they_do_not_fit(
    tmp_path: Path, source: SimulatedSearch, record_of_mae: Any
) -> None:
    """Of the 30, those with a margin above one half; a parameter that was fixed is no reason."""
    narrow = "margin: {type: float, low: 0.0, high: 0.5}\n"
    space = Space.load(file_of(tmp_path, narrow))
    target = SimulatedSearch(tmp_path, record_of_mae, space=space, name="narrow")
    target.source(Budget(trials=3))
    assert copy_trials(source.place.load(), target.study, target.identity) == (1, 29)
    wide = SimulatedSearch(tmp_path, record_of_mae, name="wide")
    target.run(3, curve=lambda *_: 1.0)
    wide.source(Budget(trials=3))
    assert copy_trials(target.place.load(), wide.study, wide.identity) == (3, 0)
    copies = [t for t in wide.study.trials if COPY_OF in t.user_attrs]
    assert all(t.params.keys() == wide.identity.space.parameters.keys() for t in copies)


def test_a_study_of_other_data_is_refused(
    simulated: SimulatedSearch, source: SimulatedSearch
) -> None:
    identity = simulated.identity.model_copy(update={"dataset_digest": "1" * 64, "max_epochs": 3})
    with pytest.raises(BadInputError, match="dataset digest and max epochs is not the same"):
        refuse_incompatible(source.place.load(), identity)


def test_a_study_whose_trials_all_lie_outside_is_refused(
    simulated: SimulatedSearch, source: SimulatedSearch
) -> None:
    base = simulated.identity.base.with_values({"patience": 99})
    identity = simulated.identity.model_copy(update={"base": base})
    with pytest.raises(BadInputError, match="none of its 30 finished trials lies in the space"):
        refuse_incompatible(source.place.load(), identity)


def test_a_copy_is_not_trained_again(simulated: SimulatedSearch, source: SimulatedSearch) -> None:
    best = finished_trials(source.study)[0]
    simulated.source(Budget(trials=3))
    copy_trials(source.place.load(), simulated.study, simulated.identity)
    enqueue(simulated.study, simulated.identity, [Config().with_values(best.params)])
    plan = [simulated.source(Budget(trials=3)).next_trial() for _ in range(1)]
    assert isinstance(plan[0], TrialPlan)
    study = simulated.run(3)
    enqueued = [t for t in own_trials(study) if t.params == best.params]
    assert [t.state for t in enqueued] == [TrialState.COMPLETE] * len(enqueued)
