"""Where a study stands, from another terminal."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dlf.command import BadInputError, run_command
from search import status
from search.storage.driver_lock import hold_study
from search.trial.plan import TrialPlan
from tests.support.simulation import DriverKilledError, SimulatedSearch, planted_mae

TRIALS = 8


@pytest.fixture
def half_done(tmp_path: Path, record_of_mae: Any) -> SimulatedSearch:
    """A study whose driver died; one of its trials has failed."""

    def curve(plan: TrialPlan, epoch: int) -> float:
        if plan.number == 1:
            raise ArithmeticError("loss/total is nan in epoch 1")
        if (plan.number, epoch) == (5, 2):
            raise DriverKilledError
        return planted_mae(plan.params, epoch)

    search = SimulatedSearch(tmp_path / "runs", record_of_mae)
    with pytest.raises(DriverKilledError):
        search.run(TRIALS, curve=curve)
    return search


def shown(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["status", "--study", "simulated", *words])
    with pytest.raises(SystemExit) as left:
        run_command(status.main)
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_every_trial_is_in_the_counts(half_done: SimulatedSearch) -> None:
    found = status.status_of(half_done.place.load(), half_done.place)
    study = half_done.study
    counts = found.trials
    begun = counts.complete + counts.pruned + counts.failed + len(found.under_way)
    assert begun == len(study.trials)
    assert counts.failed == 1
    assert found.wanted == TRIALS
    assert found.epochs_trained == sum(len(t.intermediate_values) for t in study.trials)
    assert found.driver is None
    running = next(trial for trial in found.under_way if trial.number == 5)
    assert (running.epochs, running.value) == (1, study.trials[5].intermediate_values[1])
    assert found.faults == ["trial 1 failed: loss/total is nan in epoch 1"]


def test_it_says_who_drives_the_study(half_done: SimulatedSearch) -> None:
    place = half_done.place
    with hold_study(place.folder, None, place.name):
        described = status.status_of(place.load(), place).describe()
    assert "driven by process" in described
    assert "nobody drives it" in status.status_of(place.load(), place).describe()


def test_it_is_printed_for_people_and_for_programs(
    half_done: SimulatedSearch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = shown([], monkeypatch, capsys)
    assert code == 0
    assert "under way: trial 5, 1 of 9 epochs" in out
    assert "trial 1 failed: loss/total is nan" in out
    code, out, _ = shown(["--json"], monkeypatch, capsys)
    assert json.loads(out)["trials"]["failed"] == 1


def test_a_trial_is_shown_with_all_that_is_known(
    half_done: SimulatedSearch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = shown(["--trial", "1"], monkeypatch, capsys)
    assert code == 0
    assert out.startswith("trial 1: fail, loss/total is nan in epoch 1")
    assert "learning_rate = " in out
    code, _, err = shown(["--trial", "99"], monkeypatch, capsys)
    assert (code, len(err.splitlines())) == (2, 1)


def test_looking_at_a_study_that_is_not_there_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = shown([], monkeypatch, capsys)
    assert code == 2
    assert "no study 'simulated'" in err
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_is_not_there_is_named(half_done: SimulatedSearch) -> None:
    with pytest.raises(BadInputError, match="no trial 77"):
        status.describe_trial(half_done.place.load(), 77)


def test_json_of_one_trial_is_refused(
    half_done: SimulatedSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    words = ["--output", str(tmp_path / "runs"), "--json", "--trial", "0"]
    code, out, err = shown(words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert "--json shows the study as a whole" in err
