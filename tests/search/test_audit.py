"""Optuna, Tune and MLflow held against each other, and every kind of difference that is found."""

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from search.audit import Audit, compare
from search.engine.tune_log import TUNE_LOG_FILE, TuneLog, read_tune_log
from search.study.budget import Budget
from search.study.records import OUR_STATES, REASON
from search.trial.plan import TrialPlan
from tests.support.simulation import DriverKilledError, SimulatedSearch, planted_mae
from tracking.journal.file import TRACKING_FILE, journaled_trials
from tracking.records import Ending, StudyRecord, Summary, TrialState
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.sending.recorded import recorded_trials
from tracking.store.location import resolve

TRIALS = 6


class Recorded(NamedTuple):
    """A study that was searched, and where all of it lies."""

    search: SimulatedSearch
    folder: Path

    def audit(self) -> Audit:
        opened = self.search.place.load()
        folder = self.search.place.folder
        return compare(
            opened,
            read_tune_log(folder),
            recorded_trials(resolve(f"sqlite:///{self.folder}/ml.db"), opened.key),
            journaled_trials(folder / TRACKING_FILE),
        )

    def change(self, statement: str) -> None:
        with sqlite3.connect(self.folder / "ml.db") as database:
            assert database.execute(statement).rowcount > 0

    def run_of(self, number: int) -> str:
        return f"(select run_uuid from tags where key = 'dlf.trial' and value = '{number}')"


def failing(plan: TrialPlan, epoch: int) -> float:
    if plan.number == 4 and epoch == 3:
        raise ArithmeticError("loss/total is nan")
    return planted_mae(plan.params, epoch)


def dying(plan: TrialPlan, epoch: int) -> float:
    if plan.number == 4 and epoch == 3:
        raise DriverKilledError
    return planted_mae(plan.params, epoch)


def search(folder: Path, record_of_mae: Any, curve: Any) -> Recorded:
    """Search with a real MLflow, and write what Tune would have said."""
    search = SimulatedSearch(folder, record_of_mae)
    search.source(Budget(trials=TRIALS))
    opened = search.place.load()
    recorder = MlflowRecorder(
        resolve(f"sqlite:///{folder}/ml.db"),
        StudyRecord(name="simulated", key=opened.key, dataset="synthetic", tags={}),
        search.place.folder / TRACKING_FILE,
    )
    search.recorder = recorder  # type: ignore[assignment]
    ending = Ending.FINISHED
    try:
        search.run(TRIALS, curve=curve)
    except DriverKilledError:
        ending = Ending.INTERRUPTED
    assert recorder.finish(Summary(ending=ending)) is None
    log = TuneLog(search.place.folder)
    for trial in search.study.trials:
        for epoch in trial.intermediate_values:
            log.result(trial.number, epoch)
        if trial.state.is_finished():
            failed = OUR_STATES[trial.state] is TrialState.FAILED
            log.ended(trial.number, "ERROR" if failed else "TERMINATED")
    log.close()
    return Recorded(search, folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finished")


@pytest.fixture
def recorded(finished: Path, tmp_path: Path, record_of_mae: Any) -> Recorded:
    """A copy of a finished study, for a test to spoil."""
    if not (finished / "ml.db").exists():
        search(finished, record_of_mae, failing)
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    return Recorded(SimulatedSearch(folder, record_of_mae), folder)


def test_a_search_agrees_with_itself(recorded: Recorded) -> None:
    audit = recorded.audit()
    assert audit.differences == []
    assert audit.waiting == []
    assert audit.trials == TRIALS
    assert audit.describe() == "6 trials: Optuna, Tune and MLflow agree"


def test_an_interrupted_search_agrees_too(tmp_path: Path, record_of_mae: Any) -> None:
    recorded = search(tmp_path, record_of_mae, dying)
    assert "RUNNING" in {trial.state.name for trial in recorded.search.study.trials}
    assert recorded.audit().differences == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update runs set status = 'RUNNING' where run_uuid = {1}", "trial 1: .*MLflow RUNNING"),
        ("update tags set value = 'pruned' where key = 'dlf.state' and run_uuid = {0}", "pruned"),
        (
            "update metrics set value = 0.1 where key = 'valid/best_mae' and run_uuid = {1}",
            "trial 1: Optuna has the best MAE",
        ),
        ("update runs set lifecycle_stage = 'deleted' where run_uuid = {2}", "trial 2: .* 0 runs"),
        ("update tags set value = '9' where key = 'dlf.trial' and run_uuid = {3}", "trial 9: MLf"),
    ],
)
def test_mlflow_saying_something_else_is_a_difference(
    recorded: Recorded, statement: str, said: str
) -> None:
    (recorded.search.place.folder / TRACKING_FILE).unlink()
    recorded.change(statement.format(*(recorded.run_of(n) for n in range(TRIALS))))
    if "best_mae" in statement:
        table = statement.replace("update metrics", "update latest_metrics")
        recorded.change(table.format(*(recorded.run_of(n) for n in range(TRIALS))))
    audit = recorded.audit()
    assert len(audit.differences) >= 1
    assert any(re.search(said, each) for each in audit.differences)


def test_an_epoch_that_is_lost_or_there_twice_is_a_difference(recorded: Recorded) -> None:
    (recorded.search.place.folder / TRACKING_FILE).unlink()
    which = f"key = 'valid/mae' and step = 2 and run_uuid = {recorded.run_of(1)}"
    recorded.change(f"delete from metrics where {which}")
    assert any("trial 1: Optuna has epochs" in each for each in recorded.audit().differences)


def test_what_waits_to_be_sent_is_no_difference(recorded: Recorded) -> None:
    recorded.change(f"update runs set status = 'RUNNING' where run_uuid = {recorded.run_of(1)}")
    audit = recorded.audit()
    assert audit.differences == []
    assert len(audit.waiting) == 1
    assert audit.waiting[0] == (
        "trial 1: MLflow has not all of it yet; `python -m tracking.sync --study simulated` or "
        "--resume sends it"
    )


@pytest.mark.parametrize(
    "missing",
    [
        "delete from tags where key = 'dlf.trial' and run_uuid = {run}",
        "delete from metrics where key like 'valid/%mae' and step > 6 and run_uuid = {run}",
        "delete from metrics where key like 'valid/%mae' and run_uuid = {run}",
    ],
)
def test_a_run_that_is_not_there_or_not_whole_waits_to_be_sent(
    recorded: Recorded, missing: str
) -> None:
    if "metrics" in missing:
        run = recorded.run_of(0)
        recorded.change(f"update runs set status = 'KILLED' where run_uuid = {run}")
        recorded.change(
            f"update tags set value = 'interrupted' where key = 'dlf.state' and run_uuid = {run}"
        )
        last = "key = 'valid/best_mae' and step = 6 and run_uuid = " + run
        recorded.change(
            f"update latest_metrics set value = (select value from metrics where {last}) "
            f"where key = 'valid/best_mae' and run_uuid = {run}"
        )
    recorded.change(missing.format(run=recorded.run_of(0)))
    audit = recorded.audit()
    assert audit.differences == []
    assert [line[:15] for line in audit.waiting] == ["trial 0 (paper)"]


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "insert into metrics select key, 9.0, timestamp + 1, run_uuid, step, is_nan from "
            "metrics where key = 'valid/mae' and step = 1 and run_uuid = {run}",
            "has epochs",
        ),
        (
            "update metrics set step = 99 where key = 'valid/mae' and step = 1 "
            "and run_uuid = {run}",
            "has epochs",
        ),
        (
            "update latest_metrics set value = 0.1 where key = 'valid/best_mae' "
            "and run_uuid = {run}",
            "best MAE|MLflow RUNNING",
        ),
        (
            "update tags set value = '0' where key = 'dlf.trial' and run_uuid = {other}",
            "2 runs",
        ),
    ],
)
def test_what_sending_cannot_mend_is_a_difference(
    recorded: Recorded, statement: str, said: str, ended: bool
) -> None:
    run, other = recorded.run_of(0), recorded.run_of(1)
    recorded.change(statement.format(run=run, other=other))
    if not ended:
        recorded.change(f"update runs set status = 'RUNNING' where run_uuid in {run}")
    audit = recorded.audit()
    assert any(re.search(f"trial 0 .*({said})", each) for each in audit.differences)


@pytest.mark.parametrize(
    "statement",
    [
        "update runs set status = 'FAILED' where run_uuid = {run}",
        "delete from metrics where key = 'valid/mae' and step > 6 and run_uuid = {run}",
    ],
)
def test_a_run_that_ended_otherwise_or_too_early_is_a_difference(
    recorded: Recorded, statement: str
) -> None:
    recorded.change(statement.format(run=recorded.run_of(0)))
    audit = recorded.audit()
    assert len(audit.differences) == 1
    assert audit.waiting == []


@pytest.mark.parametrize(
    ("former", "now", "said"),
    [
        ('{"trial": 1, "status": "TERMINATED"}', '{"trial": 1, "status": "ERROR"}', "Tune ERROR"),
        ('{"trial": 1, "status": "TERMINATED"}\n', "", "Tune under way"),
        ('{"trial": 0, "epoch": 9}\n', "", "trial 0 .paper.: Optuna has 9 epochs, Tune 8"),
        ('{"trial": 4, "status": "ERROR"}', '{"trial": 7, "status": "ERROR"}', "trial 7: Tune has"),
        (
            '{"trial": 1, "status": "TERMINATED"}',
            '{"trial": 1, "epoch": 10, "finite": false}\n{"trial": 1, "status": "TERMINATED"}',
            "trial 1: Optuna has it .*, Tune a value that is no number",
        ),
    ],
)
def test_tune_saying_something_else_is_a_difference(
    recorded: Recorded, former: str, now: str, said: str
) -> None:
    path = recorded.search.place.folder / TUNE_LOG_FILE
    text = path.read_text()
    assert former in text
    path.write_text(text.replace(former, now))
    assert any(re.search(said, each) for each in recorded.audit().differences)


def test_a_trial_that_tune_does_not_know_is_a_difference(recorded: Recorded) -> None:
    path = recorded.search.place.folder / TUNE_LOG_FILE
    others = [line for line in path.read_text().splitlines() if '"trial": 1,' not in line]
    path.write_text("".join(f"{line}\n" for line in others))
    (difference,) = recorded.audit().differences
    assert re.fullmatch(r"trial 1: Optuna has it [A-Z]+, Tune does not know it", difference)


def test_a_trial_that_found_the_budget_spent_is_none_to_tune(
    tmp_path: Path, record_of_mae: Any
) -> None:
    recorded = search(tmp_path, record_of_mae, dying)
    study = recorded.search.run(TRIALS, budget=Budget(trials=TRIALS, epochs=1))
    spent = [t for t in study.trials if "budget" in t.user_attrs.get(REASON, "")]
    assert 4 in {trial.number for trial in spent}
    assert {trial.state.name for trial in spent} == {"PRUNED"}
    assert [each for each in recorded.audit().differences if "Tune" in each] == []


def test_a_trial_under_way_that_ended_in_mlflow_is_a_difference(
    tmp_path: Path, record_of_mae: Any
) -> None:
    recorded = search(tmp_path, record_of_mae, dying)
    (recorded.search.place.folder / TRACKING_FILE).unlink()
    recorded.change(f"update runs set status = 'FINISHED' where run_uuid = {recorded.run_of(4)}")
    assert recorded.audit().differences == ["trial 4: Optuna has it RUNNING, MLflow FINISHED"]
