"""The command lines as a user types them: `search/run.py`, then `search/promote.py`.

One search of the tiny dataset is run as a process, and its JSON, its study and MLflow are held
against each other; then it is promoted.
"""

import json
import shutil
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import optuna
import pytest

import search.promote
import search.run
from dlf.command import WorkFailedError, run_command
from dlf.config import Config
from dlf.data import mmsa, synthetic
from dlf.data.store import write_dataset
from dlf.trained_model import TrainedModel
from search.study.open_study import StudyPlace
from search.study.records import FinishedTrial
from search.study.summary import run_id_of
from tests.support.commands import ROOT, Command, run, run_here
from tests.support.promotions import FEWEST_TRAININGS
from tests.support.searches import Search

TRIALS = 5
EPOCHS = 4
STATES = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


class Searched(NamedTuple):
    """A finished search, and where everything lies."""

    folder: Path
    flags: list[str]
    result: dict[str, Any]
    output: Command
    configurations: list[str]
    """the files of them in MLflow, before anything was promoted"""

    def ask(self, query: str) -> list[Any]:
        """Ask MLflow's database as the search left it."""
        return ask(self.folder / "searched.db", query)

    @property
    def study(self) -> optuna.Study:
        return StudyPlace("tiny", self.folder / "runs", None).load().study


@pytest.fixture(scope="module")
def searched(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("search")
    flags = ["--study", "tiny", "--data-dir", str(tiny_data), "--output", "runs"]
    flags += ["--tracking-uri", "sqlite:///ml.db", "--json"]
    size = ["--trials", str(TRIALS), "--max-epochs", str(EPOCHS)]
    done = run("search/run.py", "--dataset", "synthetic", *size, *flags, cwd=folder)
    assert done.code == 0, done.err
    shutil.copy(folder / "ml.db", folder / "searched.db")
    files = sorted((folder / "mlartifacts").rglob("artifacts/config.yaml"))
    configurations = [file.read_text() for file in files]
    return Searched(folder, flags, json.loads(done.out.splitlines()[-1]), done, configurations)


def ask(database: Path, query: str) -> list[Any]:
    with sqlite3.connect(database) as opened:
        return opened.execute(query).fetchall()


def test_the_json_has_what_other_tools_rely_on(searched: Searched) -> None:
    result = searched.result
    assert set(result) == {
        *("study", "trials", "best", "baseline", "epochs_trained", "ended_by", "wall_seconds"),
        "tracking_uri",
    }
    assert set(result["trials"]) == {"complete", "pruned", "failed"}
    assert set(result["best"]) == {"number", "value", "params", "run_id"}
    assert set(result["baseline"]) == {"value"}
    assert sum(result["trials"].values()) == TRIALS
    assert result["best"]["value"] <= result["baseline"]["value"]


def test_with_json_nothing_else_is_printed(searched: Searched) -> None:
    assert len(searched.output.out.splitlines()) == 1
    assert searched.output.err == ""


def test_the_study_agrees_with_the_json(searched: Searched) -> None:
    study, result = searched.study, searched.result
    best = study.best_trial
    assert (best.number, best.value, best.params) == (
        result["best"]["number"],
        result["best"]["value"],
        result["best"]["params"],
    )
    assert study.trials[0].value == result["baseline"]["value"]
    assert sum(len(t.intermediate_values) for t in study.trials) == result["epochs_trained"]
    kept = Config.from_yaml((searched.folder / "runs/tiny/best.yaml").read_text())
    assert kept == Config().with_values(best.params)


def test_mlflow_agrees_with_the_study_trial_by_trial(searched: Searched) -> None:
    parents = searched.ask("select distinct value from tags where key = 'mlflow.parentRunId'")
    assert len(parents) == 1
    rows = searched.ask(
        "select t.value, r.run_uuid, r.status from runs r join tags t on t.run_uuid = r.run_uuid "
        "where t.key = 'dlf.trial'"
    )
    assert len(rows) == TRIALS
    for number, run_id, status in rows:
        trial = searched.study.trials[int(number)]
        assert status == STATES[trial.state.name]
        logged = dict(searched.ask(f"select key, value from params where run_uuid = '{run_id}'"))
        assert logged == {name: str(value) for name, value in trial.params.items()}
        best = dict(
            searched.ask(
                "select step, value from metrics "
                f"where run_uuid = '{run_id}' and key = 'valid/best_mae'"
            )
        )
        assert best == trial.intermediate_values
        if int(number) == searched.result["best"]["number"]:
            assert run_id == searched.result["best"]["run_id"]
    status = searched.ask(f"select status from runs where run_uuid = '{parents[0][0]}'")
    assert status == [("FINISHED",)]


def test_every_epoch_has_the_metrics_of_the_contract(searched: Searched) -> None:
    names = {name for (name,) in searched.ask("select distinct key from metrics where step > 0")}
    six = ("mae", "corr", "acc7", "acc5", "acc2", "f1")
    losses = ("total", "task", "reconstruction", "specific", "margin", "orthogonality")
    assert names == {
        *(f"valid/{name}" for name in six),
        *(f"train/{name}" for name in six),
        *(f"loss/{name}" for name in losses),
        "valid/best_mae",
        *(f"trial/{name}" for name in ("parameters", "epochs", "peak_memory_mb")),
        *(f"trial/{name}" for name in ("seconds_per_epoch", "samples_per_second")),
    }


def test_a_trials_configuration_is_an_artifact_that_can_be_read_back(searched: Searched) -> None:
    assert len(searched.configurations) == TRIALS
    configs = [Config.from_yaml(text) for text in searched.configurations]
    asked = [Config().with_values(trial.params) for trial in searched.study.trials]
    assert all(config in asked for config in configs)


@pytest.mark.slow
def test_a_search_reads_no_test_split(
    searched: Searched, tiny_data: Path, tmp_path: Path, ray_here: None
) -> None:
    assert searched.ask("select count(*) from metrics where key like 'test/%'") == [(0,)]
    shutil.copytree(tiny_data / "synthetic", tmp_path / "synthetic")
    next((tmp_path / "synthetic").rglob("test.arrow")).unlink()
    done = Search(tmp_path, tmp_path).run("--trials", 1, "--max-epochs", 1)
    assert done.code == 0, done.err


def test_a_study_of_that_name_is_refused_and_left_alone(
    searched: Searched, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(searched.study.trials)
    monkeypatch.chdir(searched.folder)
    done = search_here("--dataset", "synthetic", "--trials", "1", *searched.flags)
    assert_refused(done, "'tiny' already")
    assert len(searched.study.trials) == before


@pytest.mark.slow
def test_the_best_configuration_is_promoted(searched: Searched) -> None:
    done = run(
        "search/promote.py", *searched.flags, *map(str, FEWEST_TRAININGS), cwd=searched.folder
    )
    assert done.code == 0, done.err
    tracked = searched.folder / "ml.db"
    result = json.loads(done.out.splitlines()[-1])
    assert result["study"] == "tiny"
    intervals = result["test"].pop("intervals")
    assert set(result["test"]) == set(intervals) == {"mae", "corr", "acc7", "acc5", "acc2", "f1"}
    assert (result["model"], result["version"], result["alias"]) == ("dlf-synthetic", 1, "champion")
    numbers = {finalist["number"] for finalist in result["finalists"]}
    assert numbers == {searched.result["best"]["number"], 0}
    assert (result["winner"]["number"] != 0) == result["paper_beaten"]
    assert all(len(finalist["valid_mae"]) == 2 for finalist in result["finalists"])
    assert ask(tracked, "select name, version from model_versions") == [("dlf-synthetic", 1)]
    assert ask(tracked, "select alias, version from registered_model_aliases") == [("champion", 1)]
    recorded = dict(
        ask(
            tracked,
            "select m.key, m.value from metrics m join runs r on r.run_uuid = m.run_uuid "
            "where m.key like 'test/%' and r.name = 'promotion of tiny'",
        )
    )
    assert recorded == {f"test/{name}": value for name, value in result["test"].items()}
    own = ask(
        tracked,
        "select r.name, m.metric_value from logged_model_metrics m "
        "join runs r on r.run_uuid = m.run_id where m.metric_name = 'test/mae'",
    )
    assert len(own) == 1
    assert own[0][0].startswith(f"trial {result['winner']['number']}")
    assert ask(tracked, "select count(*) from runs where status = 'RUNNING'") == [(0,)]
    folder = next((searched.folder / "mlartifacts").rglob("models/*/artifacts"))
    trained = TrainedModel.load(folder / "data" / "model")
    assert trained.config.values().items() >= result["winner"]["params"].items()
    assert trained.card.dataset == "synthetic"
    assert len(searched.study.user_attrs["test_reads"]) == 1


def test_a_run_that_tracking_lost_does_not_cost_the_result() -> None:
    def lost(number: int) -> str:
        raise WorkFailedError(f"trial {number} has no run")

    best = FinishedTrial(number=3, value=0.7, params={})
    assert run_id_of(SimpleNamespace(run_id=lost), best) is None
    assert run_id_of(SimpleNamespace(run_id=str), best) == "3"


def test_a_dry_run_shows_the_space_and_leaves_nothing(tiny_data: Path, tmp_path: Path) -> None:
    done = run(
        *("search/run.py", "--dataset", "synthetic", "--data-dir", tiny_data, "--dry-run"),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    assert "learning_rate" in done.out
    assert "the paper's" in done.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "--dataset"),
        (["run", "--dataset", "mosy"], "mosei"),
        (["run", "--dataset", "mosi", "--trials", "0"], "at least 1"),
        (["run", "--dataset", "mosi", "--trials", "many"], "at least 1"),
        (["run", "--dataset", "mosi", "--text", "finetuned"], "precomputed"),
        (["run", "--dataset", "mosi", "--cpus-per-trial", "0"], "at least 0.01"),
        (["run", "--dataset", "mosi", "--gpus-per-trial", "1.5"], "whole ones"),
        (["run", "--dataset", "mosi", "--seed", "4294967296"], "4294967295"),
        (["run", "--dataset", "mosi", "--frobnicate"], "--frobnicate"),
        (["run", "--dataset", "mosi"], "MOSI/Processed/aligned_50.pkl"),
        (["run", "--dataset", "synthetic", "--study", "a/b"], "letters, digits"),
        (["run", "--dataset", "synthetic", "--study", "a" * 300], "up to 100"),
        (["run", "--dataset", "synthetic", "--tracking-uri", "mlruns"], "sqlite:///"),
        (["run", "--dataset", "synthetic", "--storage", "nonsense"], "--storage"),
        (["promote"], "--study"),
        (["promote", "--study", "nowhere"], "no study 'nowhere'"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as left:
        run_command({"run": search.run.main, "promote": search.promote.main}[words[0]])
    out, err = capsys.readouterr()
    assert_refused(Command(left.value.code, out, err), said)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_an_output_that_cannot_be_written_leaves_no_run(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    words = ["--dataset", "synthetic", "--data-dir", str(tiny_data), "--trials", "1"]
    done = search_here(*words, "--output", "file")
    assert_refused(done, "choose another --output")
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
def test_a_search_in_which_every_trial_fails_says_so(tmp_path: Path, ray_here: None) -> None:
    content = synthetic.generate(0)
    for fields in content.values():
        fields["audio"] = fields["audio"] * np.float32(1e30)
    write_dataset(
        mmsa.clean(content), dataset="synthetic", data_dir=tmp_path, source="", source_sha256=None
    )
    search = Search(tmp_path, tmp_path, storage=f"sqlite:///{tmp_path / 'study.db'}")
    done = search.run("--trials", 2, "--max-epochs", 1, "--json")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("no trial was completed")
    assert "Traceback" not in done.err
    result = json.loads(done.out)
    assert result["trials"] == {"complete": 0, "pruned": 0, "failed": 2}
    assert result["best"] is None
    assert result["baseline"] == {"value": None}
    with sqlite3.connect(tmp_path / "ml.db") as database:
        assert database.execute("select distinct status from runs").fetchall() == [("FAILED",)]
        reasons = "select count(*) from tags where key = 'dlf.failure' and value like 'NonFinite%'"
        assert database.execute(reasons).fetchone() == (2,)


def test_a_process_ends_with_that_sentence_and_code(tmp_path: Path) -> None:
    assert_refused(run("search/run.py", "--dataset", "mosi", cwd=tmp_path), "--dataset synthetic")


def search_here(*words: str) -> Command:
    return run_here(search.run.main, str(ROOT / "search/run.py"), *words)


def assert_refused(done: Command, said: str) -> None:
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    sentences = [line for line in done.err.splitlines() if not line.startswith("generating")]
    assert len(sentences) == 1
    assert done.out == ""
