"""An ablation on a real Ray: one study of all rows, broken off, gone on with, and refused."""

import os
import re
import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import pytest

from dlf.published_results import TABLE_2
from dlf.training.training import Training
from search import ablate
from search.ablation.ablation import RESULT_FILE, TABLE_FILE, AblationFolder
from search.ablation.result import AblationResult
from search.engine.run_trials import run_trials
from search.engine.trainable import DLFTrainable
from search.trial.data import OpenedData
from tests.support.commands import ROOT, Command
from tests.support.searches import clear_ray, run_here, wait_until
from tests.support.small_models import SMALL
from tracking.journal.file import TRACKING_FILE
from tracking.store.connection import connect_to_read
from tracking.store.location import resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Two rows of the table are then the full model.
CONFIG = SMALL.with_values({"lambda_m": 0, "lambda_o": 0})
SEEDS, EPOCHS, TRAINED_ROWS = 2, 2, 11
TRAININGS = SEEDS * TRAINED_ROWS
TRAINED = re.compile(r"^\[ *\d+/\d+\] (.*?) +complete after", re.MULTILINE)


class Burning(DLFTrainable):
    """Trains every row but the one without hierarchical predictions."""

    def _new_training(self, seed: int, data: OpenedData) -> Training:
        if not self._plan.config.model.hierarchical:
            raise RuntimeError("the fan is on fire")
        return super()._new_training(seed, data)


class Ablated(NamedTuple):
    """An ablation in a folder, and the commands that ran it."""

    folder: Path
    data: Path
    commands: list[Command]
    name: str = "table-2"

    @property
    def place(self) -> Path:
        return self.folder / "runs" / self.name

    @property
    def kept(self) -> list[Path]:
        """The files of the trainings that have ended."""
        return sorted((self.place / "trainings").glob("*.json"))

    @property
    def result(self) -> AblationResult:
        return AblationResult.model_validate_json((self.place / RESULT_FILE).read_text())

    @property
    def client(self) -> "MlflowClient":
        return connect_to_read(resolve(f"sqlite:///{self.folder}/ml.db")).client

    def runs(self) -> "tuple[Run, list[Run]]":
        """Return the run of the ablation, and those of its trainings."""
        client = self.client
        experiments = [each.experiment_id for each in client.search_experiments()]
        found = client.search_runs(experiments, "tags.dlf.study = 'table-2'")
        own = [run for run in found if "dlf.trial" not in run.data.tags]
        assert len(own) == 1
        return own[0], [run for run in found if "dlf.trial" in run.data.tags]

    def begin(self, *more: str | int, name: str | None = None) -> Command:
        (self.folder / "best.yaml").write_text(CONFIG.to_yaml())
        words = ["--dataset", "synthetic", "--config", self.folder / "best.yaml"]
        size = ["--seeds", SEEDS, "--max-epochs", EPOCHS]
        return self.run(*words, *size, *more, name=name)

    def resume(self, *more: str | int) -> Command:
        return self.run("--resume", *more)

    def run(self, *more: str | int | Path, name: str | None = None) -> Command:
        words = ["--name", name or self.name, "--data-dir", self.data]
        words += ["--output", self.folder / "runs"]
        words += ["--tracking-uri", f"sqlite:///{self.folder}/ml.db", *more]
        done = run_here(ablate.main, str(ROOT / "search/ablate.py"), *map(str, words))
        clear_ray()
        self.commands.append(done)
        return done


def trained_by(command: Command) -> list[str]:
    """Return the trainings that a command says it has completed."""
    return TRAINED.findall(command.out)


def interrupt_after(files: int, ablated: Ablated) -> threading.Thread:
    """Press Ctrl-C once so many trainings are kept."""

    def press() -> None:
        wait_until(lambda: len(ablated.kept) >= files)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.fixture
def place(tiny_data: Path, tmp_path: Path, ray_here: None) -> Ablated:
    """Nothing yet."""
    return Ablated(tmp_path, tiny_data, [])


@pytest.fixture(scope="module")
def ablated(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Ablated:
    """An ablation that was interrupted once, and then went on to its end."""
    ablation = Ablated(tmp_path_factory.mktemp("ablated"), tiny_data, [])
    presses = interrupt_after(3, ablation)
    ablation.begin()
    presses.join()
    ablation.resume()
    return ablation


@pytest.mark.slow
def test_an_interrupted_ablation_says_how_it_goes_on(ablated: Ablated) -> None:
    broken_off, gone_on, *_ = ablated.commands
    assert broken_off.code == 130
    (line,) = [line for line in broken_off.err.splitlines() if line.startswith("go on with:")]
    assert line.endswith(" --resume")
    assert "--name table-2" in line
    assert (gone_on.code, gone_on.err) == (0, "")


@pytest.mark.slow
def test_no_training_is_completed_twice(ablated: Ablated) -> None:
    before, after = (trained_by(command) for command in ablated.commands[:2])
    assert len(before) >= 3
    names = [
        entrant.name for entrant in AblationFolder("table-2", ablated.place.parent).plan().entrants
    ]
    assert sorted([*before, *after]) == sorted(
        f"{n}, seed {i}" for n in names for i in range(SEEDS)
    )
    assert f"[{TRAININGS}/{TRAININGS}]" in ablated.commands[1].out


@pytest.mark.slow
def test_all_trainings_are_nested_runs_of_one(ablated: Ablated) -> None:
    own, nested = ablated.runs()
    assert len(nested) == TRAININGS
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {own.info.run_id}
    assert {run.data.tags["dlf.state"] for run in nested} == {"complete"}
    assert {run.info.status for run in (own, *nested)} == {"FINISHED"}
    for run in nested:
        history = ablated.client.get_metric_history(run.info.run_id, "valid/mae")
        assert [point.step for point in history] == [1, 2]
    rows = [run.data.params["row"] for run in nested]
    assert {rows.count(row) for row in rows} == {SEEDS}
    (hp,) = {run.data.params.get("hierarchical") for run in nested} - {None}
    assert hp == "false"
    assert len({run.data.tags["dlf.seed"] for run in nested}) == SEEDS


@pytest.mark.slow
def test_the_table_is_printed_kept_and_tracked(ablated: Ablated) -> None:
    result = ablated.result
    assert [row.name for row in result.rows] == list(TABLE_2)
    assert [row.name for row in result.rows if row.same_as == "DLF"] == ["w/o L_m", "w/o L_o"]
    printed = ablated.commands[1].out
    for name, figures in TABLE_2.items():
        (line,) = re.findall(rf"^{re.escape(name)} .* \d\.\d\d\d.*$", printed, re.MULTILINE)
        assert f"{figures['mae']:.3f}" in line
    kept = (ablated.place / TABLE_FILE).read_text()
    assert kept.count("\n| ") == 15
    own, _ = ablated.runs()
    assert own.data.metrics["valid/mae"] == pytest.approx(result.rows[0].scores.mean.mae)  # type: ignore[union-attr]
    assert own.data.tags["dlf.text"] == "precomputed"
    files = {file.path for file in ablated.client.list_artifacts(own.info.run_id)}
    assert TABLE_FILE in files


@pytest.mark.slow
def test_every_row_has_trained_with_what_it_changes(ablated: Ablated) -> None:
    maes = {row.name: row.scores.valid_mae for row in ablated.result.rows if row.scores}
    assert len({tuple(values) for values in maes.values()}) == TRAINED_ROWS


@pytest.mark.slow
def test_what_an_end_that_was_not_kept_costs_is_that_training_alone(ablated: Ablated) -> None:
    former = ablated.result
    maes = [mae for row in former.rows if row.scores for mae in row.scores.valid_mae]
    for file in ablated.kept[:2]:
        file.unlink()
    (ablated.place / RESULT_FILE).unlink()
    done = ablated.resume()
    assert (done.code, done.err) == (0, "")
    assert len(trained_by(done)) == 2
    assert done.out.count(f"(best so far {min(maes):.3f}, ") == 2
    assert ablated.result.rows == former.rows
    assert len(ablated.runs()[1]) == TRAININGS


@pytest.mark.slow
def test_one_that_has_ended_prints_its_table_again(ablated: Ablated) -> None:
    former = ablated.result
    done = ablated.resume("--json")
    assert (done.code, done.err) == (0, "")
    assert AblationResult.model_validate_json(done.out).rows == former.rows


@pytest.mark.slow
def test_a_row_that_fails_is_told_and_the_others_stand(ablated: Ablated) -> None:
    former = ablated.result
    last = [ablated.place / "trainings" / f"training-{TRAININGS - 1 - i}.json" for i in range(2)]
    for file in last:
        file.unlink()
    with patch("search.seeded.seeded_run.run_trials", partial(run_trials, trainable=Burning)):
        done = ablated.resume()
    assert done.code == 1
    assert re.search(r"^w/o HP +failed ", done.out, re.MULTILINE)
    # Both seeds are trained at once, and the first to fail is the one that is told.
    assert re.search(r"w/o HP failed: seed [01]: RuntimeError: the fan is on fire", done.out)
    assert done.err.startswith("what has failed is no part of the table: w/o HP; this trains it ")
    assert done.err.endswith(" --resume\n")
    assert ablated.result.rows[:-1] == former.rows[:-1]
    assert ablated.runs()[0].info.status == "FAILED"
    again = ablated.resume()
    assert (again.code, len(trained_by(again))) == (0, 2)
    assert ablated.result.rows == former.rows


def test_a_dry_run_trains_nothing_and_leaves_nothing(place: Ablated) -> None:
    done = place.begin("--dry-run")
    assert (done.code, done.err) == (0, "")
    assert f"{TRAINED_ROWS} rows on 2 seeds each, {TRAININGS} trainings of at most 2" in done.out
    assert "the same as another: w/o L_m (as DLF), w/o L_o (as DLF)" in done.out
    assert not (place.folder / "runs").exists()
    assert not (place.folder / "ml.db").exists()


def begun(place: Ablated) -> None:
    """Leave the ablation as a process does that was killed before its first training."""

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with patch("search.seeded.seeded_run.run_trials", die):
        assert place.begin().code == 130


def test_another_plan_is_refused_with_what_differs(place: Ablated) -> None:
    begun(place)
    (place.folder / "other.yaml").write_text(CONFIG.with_values({"margin": 0.4}).to_yaml())
    other = str(place.folder / "other.yaml")
    done = place.resume("--seeds", 3, "--max-epochs", EPOCHS, "--config", other)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "the ablation 'table-2' cannot go on, for its rows could not be compared: seeds is 3, was "
        "2; margin is 0.4, was 0.15; leave these flags out, or begin another one\n"
    )
    done = place.resume("--dataset", "mosi")
    assert done.code == 2
    assert done.err.startswith("this ablation is of synthetic, not of mosi; leave --dataset out")


def test_a_name_that_is_taken_is_refused(place: Ablated) -> None:
    begun(place)
    done = place.begin()
    assert done.code == 2
    assert done.err.startswith("there is an ablation 'table-2' already; --resume goes on with it")
    study = place.folder / "runs" / "study"
    study.mkdir()
    (study / TRACKING_FILE).touch()
    done = place.begin(name="study")
    assert done.code == 2
    assert done.err == f"{study} is the folder of a study; choose another --name\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--config paper", "--dataset is missing; it takes mosi, mosei, synthetic"),
        ("--dataset synthetic", "--config is missing; it takes a config.yaml"),
        ("--dataset synthetic --config nowhere.yaml", "there is no file nowhere.yaml; --config"),
        ("--dataset synthetic --config paper --seeds 1", "one seed has no spread"),
        ("--dataset synthetic --config paper --name a/b", "a study is named with up to 100"),
        ("--dataset synthetic --config paper --storage x", "unrecognized arguments: --storage x"),
        ("--resume", "--resume goes on with an ablation: name it with --name"),
        ("--resume --name nothing", "there is no ablation 'nothing' in"),
        ("--dataset synthetic --config paper --text frozen --text-encoder no/such", "no/such"),
    ],
)
def test_bad_input_is_one_sentence(
    words: str, sentence: str, tiny_data: Path, tmp_path: Path, ray_here: None
) -> None:
    where = ["--data-dir", tiny_data, "--output", tmp_path / "runs"]
    where += ["--tracking-uri", f"sqlite:///{tmp_path}/ml.db"]
    done = run_here(ablate.main, "ablate.py", *words.split(), *map(str, where))
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
