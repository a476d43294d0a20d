"""The report of real studies, and the command that writes it."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import RandomSampler

from dlf.command import run_command
from dlf.config import Config
from dlf.training.training import EpochRecord
from search import report
from search.recording import study_report
from search.spaces.space import Space
from search.storage.driver_lock import hold_study
from search.study.budget import Budget
from search.study.importances import LEAST_COMPLETE, importances_of
from search.study.records import own_trials
from search.study.starting_points import copy_trials
from search.trial.plan import TrialPlan
from tests.support.simulation import (
    EPOCHS,
    DriverKilledError,
    SimulatedSearch,
    planted_mae,
)
from tracking.records import Ending, StudyRecord, Summary, TrialState
from tracking.report import REPORT_FILE
from tracking.sending.mlflow_recorder import MlflowRecorder
from tracking.store.location import resolve

Record = Callable[..., EpochRecord]

SPACE = """
margin: {type: float, low: 0.3, high: 1.0}
optimizer: {type: categorical, choices: [adamw, adam]}
weight_decay: {type: float, low: 0.00001, high: 0.1, log: true, when: {optimizer: adamw}}
learning_rate: {type: float, low: 0.0005, high: 0.005, log: true}
lambda_r: {type: float, low: 0.005, high: 2.0, log: true}
"""
"""the paper's margin and learning rate lie outside of it, and it has no weight decay"""


def failing(plan: TrialPlan, epoch: int) -> float:
    if plan.number == 1 and epoch == 2:
        raise ArithmeticError("loss/total is nan </script>")
    return planted_mae(plan.params, epoch)


@pytest.fixture
def searched(tmp_path: Path, record_of_mae: Record) -> SimulatedSearch:
    """A study of 24 trials, one of which failed."""
    search = SimulatedSearch(tmp_path / "runs", record_of_mae)
    search.run(24, curve=failing)
    return search


def figures_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)
    assert found is not None
    return dict(json.loads(found[1]))


def command(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["report", *words])
    with pytest.raises(SystemExit) as left:
        run_command(report.main)
    out, err = capsys.readouterr()
    return left.value.code, out, err  # type: ignore[return-value]


def test_all_that_the_study_knows_is_told(searched: SimulatedSearch) -> None:
    opened = searched.place.load()
    told = study_report.report_of(opened, {0: "http://h/run"})
    study = opened.study
    assert len(told.trials) == len(study.trials) == told.wanted == 24
    for trial, kept in zip(told.trials, study.trials, strict=True):
        assert dict(trial.curve) == kept.intermediate_values
        assert (trial.begun, trial.ended) == (kept.datetime_start, kept.datetime_complete)
        assert trial.params == kept.params or trial.paper
    assert told.paper is told.trials[0]
    assert told.trials[0].link == "http://h/run"
    assert told.best is not None
    assert told.best.number == study.best_trial.number
    assert told.trials[1].state is TrialState.FAILED
    assert told.faults == ["trial 1 failed: loss/total is nan </script>"]
    margin = told.parameters[0]
    assert (margin.name, margin.low, margin.high, margin.paper) == ("margin", 0.0, 1.0, 0.15)
    assert next(p.name for p in told.parameters if p.log) == "lambda_r"
    assert "ASHA" in told.facts["early stopping"]


def test_a_report_is_written_in_the_middle_of_a_search(
    tmp_path: Path, record_of_mae: Record
) -> None:
    def dying(plan: TrialPlan, epoch: int) -> float:
        if (plan.number, epoch) == (3, 2):
            raise DriverKilledError
        return planted_mae(plan.params, epoch)

    search = SimulatedSearch(tmp_path, record_of_mae)
    with pytest.raises(DriverKilledError):
        search.run(12, curve=dying)
    opened = search.place.load()
    path = study_report.write_report(opened, search.place.folder, {}, standing="It goes on.")
    page = path.read_text(encoding="utf-8")
    assert path == search.place.folder / REPORT_FILE
    under_way = sum(trial.state.name == "RUNNING" for trial in opened.study.trials)
    assert under_way
    assert f"{under_way} under way" in page
    assert "It goes on." in page


def test_a_study_without_a_trial_has_a_report(tmp_path: Path, record_of_mae: Record) -> None:
    search = SimulatedSearch(tmp_path, record_of_mae)
    search.source(Budget(trials=3))
    path = study_report.write_report(search.place.load(), search.place.folder, {})
    assert "No trial was begun yet." in path.read_text(encoding="utf-8")


def test_what_is_conditional_or_out_of_range_is_drawn_too(
    tmp_path: Path, record_of_mae: Record
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    space = Space.load(tmp_path / "space.yaml")
    search = SimulatedSearch(tmp_path, record_of_mae, space=space, base=Config())

    def curve(plan: TrialPlan, epoch: int) -> float:
        return planted_mae(plan.config.values(), epoch)  # type: ignore[arg-type]

    search.run(30, curve=curve)
    told = study_report.report_of(search.place.load(), {})
    paper = told.trials[0]
    assert {"margin", "learning_rate"}.isdisjoint(search.study.trials[0].params)
    assert paper.params == {
        "margin": 0.15,
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "lambda_r": 0.1,
    }
    known = {parameter.name: parameter for parameter in told.parameters}
    assert known["weight_decay"].paper is None
    assert known["optimizer"].choices == ["adamw", "adam"]
    page = study_report.write_report(search.place.load(), search.place.folder, {}).read_text(
        "utf-8"
    )
    lines = figures_of(page)["figure-parallel"]["data"]
    by_name = {trace["name"]: trace for trace in lines}
    assert min(by_name["the paper's configuration"]["y"][:5]) == -0.1
    assert re.search(r"does not exist in the trial:\s+weight_decay in \d+\.", page)


def test_a_parameter_that_was_given_up_is_still_told(tmp_path: Path, record_of_mae: Record) -> None:
    SimulatedSearch(tmp_path, record_of_mae).run(5)
    smaller = SimulatedSearch(tmp_path, record_of_mae, space=Space.load().without(["beta_sh"]))
    smaller.run(8, curve=lambda plan, epoch: planted_mae(plan.params, epoch))
    told = study_report.report_of(smaller.place.load(), {})
    assert told.parameters[-1].name == "beta_sh"
    assert "beta_sh" in told.trials[2].params
    assert "beta_sh" not in told.trials[-1].params


def test_duplicates_and_copies_are_told_apart(tmp_path: Path, record_of_mae: Record) -> None:
    source = SimulatedSearch(tmp_path, record_of_mae, name="source")
    source.run(6)
    search = SimulatedSearch(tmp_path, record_of_mae)
    search.source(Budget(trials=2))
    copied, _ = copy_trials(source.place.load(), search.study, search.identity)
    search.study.enqueue_trial(source.study.trials[3].params)
    search.run(2)
    told = study_report.report_of(search.place.load(), {})
    assert told.copies == copied > 0
    assert len(told.trials) == 2
    assert [trial.twin is not None for trial in told.trials] == [False, True]


def test_importances_need_trials(searched: SimulatedSearch) -> None:
    few = importances_of(own_trials(searched.study))
    assert few.shares == {}
    assert f"at least; there are {few.trials}." in few.caution
    assert few.trials < LEAST_COMPLETE


def test_what_decides_is_told_from_what_does_not(tmp_path: Path, record_of_mae: Record) -> None:
    search = SimulatedSearch(tmp_path, record_of_mae)
    search.source(Budget(trials=80))
    sampled = search.study
    sampled.sampler = RandomSampler(seed=0)
    for _ in range(80):
        trial = sampled.ask()
        params = search.identity.space.suggest(trial, search.identity.base)
        sampled.tell(trial, planted_mae(params, EPOCHS))
    found = importances_of(own_trials(sampled))
    assert sum(found.shares.values()) == pytest.approx(1)
    assert list(found.shares.values()) == sorted(found.shares.values(), reverse=True)
    assert found.trials == 80
    assert found.chance is not None
    assert {"margin", "learning_rate", "lambda_r"} & set(list(found.shares)[:3])
    beyond = [name for name, share in found.shares.items() if share > found.chance]
    assert 1 <= len(beyond) <= 4


def test_the_command_writes_the_report_and_links_its_trials(
    searched: SimulatedSearch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened, place = searched.place.load(), searched.place
    uri = f"sqlite:///{tmp_path}/ml.db"
    recorder = MlflowRecorder(
        resolve(uri),
        StudyRecord(name="simulated", key=opened.key, dataset="synthetic", tags={}),
        place.folder / "tracking.jsonl",
    )
    for record in searched.recorder.started:
        recorder.start_trial(record)
    recorder.finish(Summary(ending=Ending.FINISHED))
    best = opened.study.best_trial.number
    words = ["--study", "simulated", "--output", str(tmp_path / "runs"), "--tracking-uri", uri]
    code, out, err = command(words, monkeypatch, capsys)
    assert (code, err) == (0, "")
    assert out == f"{place.folder / REPORT_FILE}\n"
    page = Path(out.strip()).read_text(encoding="utf-8")
    assert f'/runs/{recorder.run_id(best)}" target="_blank" rel="noopener"' in page
    assert "Nobody drives the search at the moment" in page
    with hold_study(place.folder, None, place.name):
        command(words, monkeypatch, capsys)
    assert "The search is under way, driven by process" in Path(out.strip()).read_text("utf-8")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://user:secret@127.0.0.1:9", "127.0.0.1:9 cannot be used"),
        ("sqlite:///{folder}/absent.db", "there is no tracking store sqlite:///"),
        ("gopher://x", "of an unknown kind"),
    ],
)
def test_a_store_that_cannot_be_read_costs_only_the_links(
    searched: SimulatedSearch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uri: str,
    said: str,
) -> None:
    words = ["--study", "simulated", "--output", str(tmp_path / "runs")]
    words += ["--tracking-uri", uri.format(folder=tmp_path)]
    code, out, _ = command(words, monkeypatch, capsys)
    assert code == 0
    page = Path(out.strip()).read_text(encoding="utf-8")
    assert "Trials are not linked to runs: " in page
    assert said in page
    assert "secret" not in page
    assert not (tmp_path / "absent.db").exists()


def test_a_study_that_is_not_there_has_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--study", "unheard-of", "--output", str(tmp_path)]
    code, out, err = command(words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert "there is no study 'unheard-of'" in err
    assert list(tmp_path.iterdir()) == []
