"""Connections to Postgres that are cut before a commit, or between it and its answer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import optuna
import pytest
from optuna.trial import Trial, TrialState, create_trial

from search.storage.patience import Patience
from search.storage.patient_storage import PatientStorage
from tests.support.cutting_proxy import Cut, CuttingProxy, cutting_proxy


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[CuttingProxy]:
    with cutting_proxy(postgres_url) as proxy:
        yield proxy


class Case(NamedTuple):
    """A write, which must leave its mark once."""

    words: str
    """that are sent in its transaction"""
    write: Callable[[optuna.Study, Trial], object]
    found: Callable[[optuna.Study], object]
    wanted: object


CASES = {
    "a new trial": Case(
        "INSERT INTO trials",
        lambda study, _: study.ask().number,
        lambda study: [trial.state.name for trial in study.trials],
        ["RUNNING", "RUNNING"],
    ),
    "a trial that waits": Case(
        "INSERT INTO trials",
        lambda study, _: study.enqueue_trial({"x": 0.25}),
        lambda study: [trial.system_attrs for trial in study.trials],
        [{}, {"fixed_params": {"x": 0.25}}],
    ),
    "a trial of another study": Case(
        "INSERT INTO trials",
        lambda study, _: study.add_trial(create_trial(value=0.5, user_attrs={"copy": 1})),
        lambda study: [(trial.value, trial.user_attrs) for trial in study.trials],
        [(None, {}), (0.5, {"copy": 1})],
    ),
    "the end of a trial": Case(
        "UPDATE trials SET state",
        lambda study, trial: study.tell(trial, 0.5),
        lambda study: [(trial.state.name, trial.value) for trial in study.trials],
        [("COMPLETE", 0.5)],
    ),
    "the failure of a trial": Case(
        "UPDATE trials SET state",
        lambda study, trial: study.tell(trial, state=TrialState.FAIL),
        lambda study: [(trial.state.name, trial.value) for trial in study.trials],
        [("FAIL", None)],
    ),
    "a parameter": Case(
        "INSERT INTO trial_params",
        lambda _, trial: trial.suggest_float("x", 0.5, 0.5),
        lambda study: [trial.params for trial in study.trials],
        [{"x": 0.5}],
    ),
    "an epoch": Case(
        "INSERT INTO trial_intermediate_values",
        lambda _, trial: trial.report(0.5, 1),
        lambda study: [trial.intermediate_values for trial in study.trials],
        [{1: 0.5}],
    ),
    "a note": Case(
        "INSERT INTO trial_user_attributes",
        lambda _, trial: trial.set_user_attr("note", "it hung"),
        lambda study: [trial.user_attrs for trial in study.trials],
        [{"note": "it hung"}],
    ),
    "a note of the study": Case(
        "INSERT INTO study_user_attributes",
        lambda study, _: study.set_user_attr("key", "k"),
        lambda study: study.user_attrs,
        {"key": "k"},
    ),
}


def patient_study(url: str, name: str) -> optuna.Study:
    patience = Patience()
    patience.hold_out("the test")
    return optuna.create_study(
        storage=PatientStorage(url, patience), study_name=name, load_if_exists=True
    )


@pytest.mark.parametrize("after_commit", [True, False])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_write_whose_connection_is_cut_is_done_once(
    case: Case, after_commit: bool, proxy: CuttingProxy, postgres_url: str, tmp_path: Path
) -> None:
    study = patient_study(proxy.url, tmp_path.name)
    trial = study.ask()
    proxy.cut = Cut(case.words, after_commit=after_commit)
    case.write(study, trial)
    assert proxy.cut.done.is_set()
    assert case.found(study) == case.wanted
    stored = optuna.load_study(study_name=tmp_path.name, storage=postgres_url)
    assert case.found(stored) == case.wanted


@pytest.mark.parametrize("after_commit", [True, False])
def test_a_trial_that_waited_is_begun_once(
    after_commit: bool, proxy: CuttingProxy, tmp_path: Path
) -> None:
    study = patient_study(proxy.url, tmp_path.name)
    for value in (0.25, 0.75):
        study.enqueue_trial({"x": value})
    proxy.cut = Cut("UPDATE trials SET state", after_commit=after_commit)
    trial = study.ask()
    assert proxy.cut.done.is_set()
    assert (trial.number, trial.suggest_float("x", 0, 1)) == (0, 0.25)
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "WAITING"]


@pytest.mark.parametrize("after_commit", [True, False])
def test_a_study_is_created_once(after_commit: bool, proxy: CuttingProxy, tmp_path: Path) -> None:
    patient_study(proxy.url, f"{tmp_path.name} before")
    proxy.cut = Cut("INSERT INTO studies", after_commit=after_commit)
    study = patient_study(proxy.url, tmp_path.name)
    assert proxy.cut.done.is_set()
    assert study.ask().number == 0


def test_an_end_that_somebody_else_has_told_is_still_an_error(
    proxy: CuttingProxy, postgres_url: str, tmp_path: Path
) -> None:
    study = patient_study(proxy.url, tmp_path.name)
    trial = study.ask()
    other = optuna.load_study(study_name=tmp_path.name, storage=postgres_url)
    proxy.cut = Cut("UPDATE trials SET state", after_commit=False)
    proxy.cut.on_cut = lambda: other.tell(trial.number, state=TrialState.FAIL)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study.tell(trial, 0.5)


def test_a_transaction_of_a_lost_connection_does_not_lock_the_study_for_ever(
    proxy: CuttingProxy, tmp_path: Path
) -> None:
    study = patient_study(proxy.url, tmp_path.name)
    backend = study._storage._backend  # type: ignore[attr-defined]
    with backend.engine.connect() as connection:
        shown = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        assert shown == "30s"
        assert connection.exec_driver_sql("SHOW tcp_keepalives_idle").scalar() in ("30", "0")
