"""Whole promotions on a real Ray: what they decide, keep, register and read, and how they go on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from dlf.command import WorkFailedError
from dlf.data import open_test_split
from dlf.training.training import EpochRecord
from search import promote
from search.promotion.final_figures import CLASSES_FILE, PROJECTION_FILE
from search.promotion.plan import RESULT_FILE, RegisteredBefore
from search.promotion.promotion import CHAMPION, TEST_PREDICTIONS_FILE, Promotion
from search.study.readings import readings_of
from search.trial.seeds import FINAL_SEEDS, PROMOTION_SEEDS
from tests.support.epoch_records import epoch_record
from tests.support.mlflow_server import unused_port
from tests.support.promotions import FEW, TINY_PAPER, Promoted
from tests.support.simulation import SimulatedSearch
from tracking.predictions import read_predictions
from tracking.registry.champion import champion_of
from tracking.store.connection import connect_to_read
from tracking.store.location import resolve

pytestmark = pytest.mark.slow


def new_study(tiny_data: Path, folder: Path, record_of_mae: Callable[..., EpochRecord]) -> Promoted:
    return Promoted(SimulatedSearch(folder / "runs", record_of_mae), tiny_data, folder)


@pytest.fixture
def study(
    tiny_data: Path, tmp_path: Path, record_of_mae: Callable[..., EpochRecord], ray_here: None
) -> Promoted:
    """A study that nobody has promoted."""
    return new_study(tiny_data, tmp_path, record_of_mae)


def trained_finally(study: Promoted) -> list[int]:
    """Return whose trainings the finals of the last promotion were."""
    ended = study.last.trainings.read().values()
    return [training.entrant for training in ended if training.seed >= FINAL_SEEDS]


class Done:
    """A promotion that has ended, and what it left."""

    def __init__(self, study: Promoted, *words: str | int) -> None:
        self.study = study
        done = study.promote(*FEW, *words, "--json")
        assert done.code == 0, done.err
        self.result: dict[str, Any] = json.loads(done.out)
        self.folder = study.last.folder
        self.client = connect_to_read(resolve(study.tracking)).client

    @property
    def runs(self) -> Mapping[str, Any]:
        """The promotion's runs in MLflow, by name."""
        (experiment,) = [e for e in self.client.search_experiments() if e.name == "dlf-synthetic"]
        found = self.client.search_runs([experiment.experiment_id])
        return {run.info.run_name: run for run in found}


@pytest.fixture(scope="module")
def done(
    tiny_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    ray_here: None,
) -> Done:
    """A promotion that nothing went wrong with."""
    return Done(new_study(tiny_data, tmp_path_factory.mktemp("promoted"), epoch_record))


def test_the_result_is_what_other_tools_rely_on(done: Done) -> None:
    result = done.result
    assert result["study"] == done.study.place.name
    assert set(result["winner"]) == {"number", "params"}
    assert (result["model"], result["version"], result["alias"]) == ("dlf-synthetic", 1, "champion")
    numbers = [finalist["number"] for finalist in result["finalists"]]
    assert len(numbers) == 2
    assert 0 in numbers
    for finalist in result["finalists"]:
        assert len(finalist["valid_mae"]) == 2
        assert finalist["mean"] == pytest.approx(np.mean(finalist["valid_mae"]))
        low, high = finalist["interval"]
        assert low <= finalist["mean"] <= high
    test = result["test"]
    assert set(test["intervals"]) == {"mae", "corr", "acc7", "acc5", "acc2", "f1"}
    for name, (low, high) in test["intervals"].items():
        assert low <= test[name] <= high
    assert json.loads((done.folder / RESULT_FILE).read_text()) == result


def test_what_is_kept_is_what_the_further_seeds_say(done: Done) -> None:
    result = done.result
    difference = result["difference"]
    assert difference["seeds"] == 2
    clear = difference["interval"]["high"] < 0
    assert result["paper_beaten"] == clear
    assert (result["winner"]["number"] != 0) == clear


def test_every_training_is_a_run_nested_in_the_promotions(done: Done) -> None:
    parent = done.runs[f"promotion of {done.study.place.name}"]
    nested = {
        name: run
        for name, run in done.runs.items()
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    candidate = next(f["number"] for f in done.result["finalists"] if f["number"])
    names = [f"trial {candidate}", "trial 0 (paper)"]
    wanted = {
        f"{name}, {kind} {i}" for name in names for kind in ("seed", "final seed") for i in "01"
    }
    assert set(nested) == wanted
    assert {run.info.status for run in nested.values()} == {"FINISHED"}
    seeds = {name: int(run.data.tags["dlf.seed"]) for name, run in nested.items()}
    assert {s for n, s in seeds.items() if "final" not in n} == {
        PROMOTION_SEEDS,
        PROMOTION_SEEDS + 1,
    }
    assert {s for n, s in seeds.items() if "final" in n} == {FINAL_SEEDS, FINAL_SEEDS + 1}
    files = {file.path for file in done.client.list_artifacts(parent.info.run_id)}
    figures = {CLASSES_FILE, PROJECTION_FILE, TEST_PREDICTIONS_FILE}
    assert files >= {"promotion.html", "promotion.md", *figures}
    assert parent.data.metrics["test/mae"] == pytest.approx(done.result["test"]["mae"])


def test_nothing_but_the_promotions_own_run_and_the_registered_one_has_test_metrics(
    done: Done,
) -> None:
    version = done.client.get_model_version("dlf-synthetic", "1")
    tested = {
        run.info.run_id
        for run in done.runs.values()
        if any(name.startswith("test/") for name in run.data.metrics)
    }
    parent = done.runs[f"promotion of {done.study.place.name}"]
    assert tested == {parent.info.run_id, version.run_id}


def test_the_test_predictions_are_those_of_every_final_model(done: Done) -> None:
    table = read_predictions(done.folder / "artifacts" / TEST_PREDICTIONS_FILE)
    with patch("dlf.data.store._test_split_sealed", False):
        test = open_test_split("synthetic", done.study.data_dir)
    assert list(table.ids) == test.ids
    np.testing.assert_array_equal(table.labels, test.labels)
    assert set(table.others) == {f"{name}_{i}" for name in ("candidate", "paper") for i in range(2)}
    kept = "candidate" if done.result["winner"]["number"] else "paper"
    errors = [np.abs(table.others[f"{kept}_{i}"] - test.labels).mean() for i in range(2)]
    assert done.result["test"]["mae"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_the_version_says_where_it_comes_from(done: Done) -> None:
    version = done.client.get_model_version("dlf-synthetic", "1")
    tags = version.tags
    assert tags["dlf.promoted_study"] == done.study.place.name
    assert tags["dlf.promoted_trial"] == str(done.result["winner"]["number"])
    assert tags["dlf.dataset_digest"] == done.study.identity.dataset_digest
    assert {"dlf.code", "dlf.packages", "dlf.text", "dlf.link.run_of_the_promotion"} <= set(tags)
    assert "paper's configuration" in version.description


def test_the_study_remembers_the_reading_and_a_second_one_must_be_asked_for(done: Done) -> None:
    (reading,) = readings_of(done.study.opened.study)
    assert reading.promotion == done.folder.name
    refused = done.study.promote(*FEW)
    assert refused.code == 2
    assert "--again reads it once more" in refused.err
    assert done.study.folders == [done.folder]


def test_a_second_reading_is_told_and_the_former_champion_becomes_previous(
    study: Promoted,
) -> None:
    first = Done(study)
    second = Done(study, "--again")
    assert (first.result["version"], second.result["version"]) == (1, 2)
    assert second.result["finalists"] == first.result["finalists"]
    model = second.client.get_registered_model("dlf-synthetic")
    assert {name: int(version) for name, version in model.aliases.items()} == {
        "champion": 2,
        "previous": 1,
    }
    readings = readings_of(study.opened.study)
    assert [each.promotion for each in readings] == [first.folder.name, second.folder.name]
    for reading in readings:
        assert reading.promotion in (second.folder / "promotion.html").read_text()


def test_a_promotion_that_was_interrupted_goes_on_and_trains_nothing_twice(
    study: Promoted,
) -> None:
    ended: list[int] = []
    keep = Promotion._run

    def run_once(self: Promotion, trainings: Any) -> None:
        ended.append(len(trainings.ended_before))
        keep(self, trainings)
        if len(ended) == 1:
            raise KeyboardInterrupt

    with patch.object(Promotion, "_run", run_once):
        broken = study.promote(*FEW)
        assert broken.code == 130
        assert "--resume" in broken.err
        done = study.promote("--resume", "--json")
    assert done.code == 0, done.err
    assert ended == [0, 4, 0]
    runs = connect_to_read(resolve(study.tracking)).client.search_runs(["1"])
    names = [run.info.run_name for run in runs]
    assert len(names) == len(set(names)) == 9
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_registry_that_fails_loses_nothing_and_test_is_not_read_again(study: Promoted) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise WorkFailedError("dlf-synthetic could not be registered")

    with patch("search.promotion.hand_over.register_champion", refuse):
        failed = study.promote(*FEW)
    assert failed.code == 1
    assert "dlf-synthetic could not be registered" in failed.err
    assert "--resume goes on from there" in failed.err
    with patch("search.promotion.test_split.open_test_split", refuse):
        done = study.promote("--resume", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["version"] == 1
    assert len(readings_of(study.opened.study)) == 1
    assert (study.last.folder / "promotion.html").exists()


def test_a_champion_that_is_not_clearly_beaten_stays_and_test_stays_shut(study: Promoted) -> None:
    first = Done(study)
    second = study.promote(*FEW, "--again", "--only-if-better", "--json")
    assert second.code == 0, second.err
    result = json.loads(second.out)
    assert (result["version"], result["test"]) == (None, None)
    champion = champion_of(resolve(study.tracking), "synthetic")
    assert champion is not None
    assert champion.version == first.result["version"]
    assert len(readings_of(study.opened.study)) == 1
    assert "champion" in (study.last.folder / "promotion.md").read_text()
    assert CHAMPION not in trained_finally(study), "its configuration is a finalist's"


def test_a_champion_that_is_no_finalist_is_trained_on_the_final_seeds(study: Promoted) -> None:
    other = TINY_PAPER.with_values({"margin": 0.4})
    champion = RegisteredBefore(version=7, config=other)
    with patch("search.promotion.request._champion", return_value=champion):
        done = Done(study, "--only-if-better")
    assert trained_finally(study).count(CHAMPION) == 2, "seeds"
    assert "champion (version 7), final seed 0" in done.runs
    assert "version 7" in (done.folder / "promotion.md").read_text()


def test_a_refit_trains_on_train_and_valid_for_the_epochs_of_the_race(study: Promoted) -> None:
    done = Done(study, "--refit")
    finals = [
        json.loads(file.read_text())
        for file in (done.folder / "trainings").glob("training-*.json")
        if json.loads(file.read_text())["seed"] >= FINAL_SEEDS
    ]
    assert len(finals) == 4
    assert all(epoch["valid"] is None for training in finals for epoch in training["history"])
    assert done.result["test"]["mae"] > 0
    assert "train and valid" in (done.folder / "promotion.md").read_text()


def test_what_a_refit_leaves_can_be_tied(study: Promoted) -> None:
    done = Done(study, "--allow-tie")
    candidate = min(done.result["finalists"], key=lambda finalist: finalist["mean"])
    assert done.result["winner"]["number"] == candidate["number"]


def test_a_dry_run_says_who_would_race_and_trains_nothing(study: Promoted) -> None:
    told = study.promote(*FEW, "--dry-run")
    assert told.code == 0
    assert "trial 0 (paper); 2 to 2 seeds each" in told.out
    assert study.folders == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--seeds", 1), "one seed has no spread"),
        (("--refit", "--only-if-better"), "leave one of the two out"),
        (("--resume",), "has no promotion that was broken off"),
    ],
)
def test_bad_input_is_one_sentence(
    study: Promoted, words: tuple[str | int, ...], sentence: str
) -> None:
    refused = study.promote(*words)
    assert refused.code == 2
    assert sentence in refused.err
    assert "Traceback" not in refused.err


def test_a_promotion_whose_server_is_away_leaves_no_folder(study: Promoted) -> None:
    study.tracking = f"http://127.0.0.1:{unused_port()}"
    refused = study.promote(*FEW)
    assert refused.code == 2
    assert (
        refused.err == f"the tracking store {study.tracking} cannot be used: Connection refused\n"
    )
    assert study.folders == []


def test_what_cannot_be_drawn_does_not_stop_the_promotion(study: Promoted) -> None:
    def refuse(*_: object) -> bytes:
        raise ValueError("a projection needs 3 clips, and there are 2")

    with patch("tracking.figures.projection.projection", refuse):
        done = study.promote(*FEW)
    assert done.code == 0
    assert "lacks some figures of the model: a projection needs 3 clips" in done.out
    assert (study.last.folder / "artifacts" / CLASSES_FILE).exists()


def test_a_second_promotion_of_a_study_waits_for_the_first_to_end(study: Promoted) -> None:
    with promote.alone(study.place, None):
        refused = study.promote(*FEW)
    assert refused.code == 2
    assert "its promotions" in refused.err
    assert study.folders == []


def test_a_promotion_goes_on_as_it_was_begun(study: Promoted) -> None:
    with patch.object(Promotion, "_run", side_effect=KeyboardInterrupt):
        assert study.promote(*FEW).code == 130
    refused = study.promote("--resume", "--top", 3)
    assert refused.code == 2
    assert "was begun with top 1; leave --top out" in refused.err
    assert len(study.folders) == 1


def test_a_new_promotion_tells_of_one_that_was_broken_off(study: Promoted) -> None:
    with patch.object(Promotion, "_run", side_effect=KeyboardInterrupt):
        study.promote(*FEW)
        again = study.promote(*FEW)
    assert f"{study.folders[0]} was broken off; --resume goes on with it" in again.err
    assert len(study.folders) == 2
