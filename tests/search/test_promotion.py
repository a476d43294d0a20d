"""Who is promoted, on which seeds, and what is kept when the last step fails."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlf.batching import Clips
from dlf.command import BadInputError, WorkFailedError
from dlf.config import Config
from dlf.data import open_test_split, read_manifest
from dlf.inference import predict
from dlf.replicates import Replicates
from dlf.text.source import TextSource
from dlf.trained_model import TrainedModel
from dlf.training import EpochRecord, Training
from search import promote
from search.budget import Budget
from search.checkpoints import Checkpoints
from search.final_figures import CLASSES_FILE, PROJECTION_FILE, TEST_PREDICTIONS_FILE
from search.finalists import Finalist, FinalistTrials, choose_finalists
from search.promotion import Promotion
from search.resources import Resources
from search.seeds import PROMOTION_SEEDS
from search.study_records import finished_trials
from search.trainable import Workplace
from search.trial_data import TrialData
from search.verdict import test_reads as reads_of
from tests.support.mlflow_server import unused_port
from tests.support.searches import run_here
from tests.support.simulation import SimulatedSearch
from tracking.location import resolve
from tracking.predictions import read_predictions
from tracking.records import Outcome, TrialState

SMALL = Config().with_values(
    {"width": 8, "heads": 2, "encoder_layers": 1, "attractor_layers": 1, "memory_layers": 1}
)


def finalist(number: int) -> Finalist:
    return Finalist(number=number, params={"margin": 0.1 * number}, config=SMALL)


def test_the_best_trials_and_the_papers_are_finalists(simulated: SimulatedSearch) -> None:
    study = simulated.run(30)
    ranked = [trial.number for trial in finished_trials(study)]
    assert ranked[0] != 0
    chosen = choose_finalists(study, simulated.identity, top=2)
    assert [each.number for each in chosen] == [*ranked[:2], 0]
    assert chosen[-1].config == simulated.identity.base
    assert chosen[0].config.loss.margin == study.trials[ranked[0]].params["margin"]


def test_the_papers_configuration_is_not_tried_twice(simulated: SimulatedSearch) -> None:
    study = simulated.run(4, curve=lambda plan, epoch: 1.0 + plan.number - epoch / 100)
    assert [each.number for each in choose_finalists(study, simulated.identity, top=1)] == [0]


def test_a_study_without_a_complete_trial_is_refused(simulated: SimulatedSearch) -> None:
    study = simulated.run(1, budget=Budget(trials=1, epochs=1), curve=lambda *_: 1.0)
    with pytest.raises(BadInputError, match="no complete trial"):
        choose_finalists(study, simulated.identity, top=1)


def test_every_finalist_gets_the_same_fresh_seeds() -> None:
    trials = FinalistTrials([finalist(3), finalist(0)], seeds=3)
    plans = []
    while plan := trials.next_trial():
        plans.append(plan)
    assert [plan.number for plan in plans] == list(range(6))
    seeds = [seed for plan in plans for seed in plan.seeds]
    assert seeds[:3] == seeds[3:]
    assert min(seeds) >= PROMOTION_SEEDS
    assert len(set(seeds)) == 3


def test_the_lowest_mean_wins_not_the_lowest_value(
    record_of_mae: Callable[..., EpochRecord],
) -> None:
    trials = FinalistTrials([finalist(3), finalist(0)], seeds=2)
    for number, mae in enumerate((0.5, 1.5, 0.8, 0.9)):
        trials.report(number, record_of_mae(1, mae, mae))
    assert trials.valid_mae(finalist(3)) == [0.5, 1.5]
    assert trials.winner().number == 0


def test_a_failed_training_ends_the_promotion_before_the_test_split() -> None:
    trials = FinalistTrials([finalist(3)], seeds=2)
    trials.refuse_failures()
    trials.end(1, Outcome(state=TrialState.FAILED, reason="loss/total is nan"))
    with pytest.raises(WorkFailedError, match=r"loss/total is nan.*test split was not opened"):
        trials.refuse_failures()


def test_a_promotion_whose_server_is_away_leaves_no_folder(
    simulated: SimulatedSearch, tiny_data: Path, ray_here: None
) -> None:
    digest = read_manifest("synthetic", tiny_data).digest
    simulated.identity = simulated.identity.model_copy(update={"dataset_digest": digest})
    simulated.run(1)
    place, server = simulated.place, f"http://127.0.0.1:{unused_port()}"
    words = ["--study", place.name, "--output", str(place.folder.parent)]
    words += ["--data-dir", str(tiny_data), "--tracking-uri", server]
    refused = run_here(promote.main, "promote", *words)
    assert refused.code == 2
    assert refused.err == f"the tracking store {server} cannot be used: Connection refused\n"
    assert not (place.folder / "promotions").exists()


@pytest.fixture
def promotion(
    tiny_data: Path,
    tmp_path: Path,
    simulated: SimulatedSearch,
    record_of_mae: Callable[..., EpochRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A promotion whose trainings are done."""
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    manifest = read_manifest("synthetic", tiny_data)
    data = TrialData(
        dataset="synthetic",
        dataset_digest=manifest.digest,
        data_dir=tiny_data,
        text=TextSource(way="precomputed"),
    )
    manifest, train, valid = data.open()
    trials = FinalistTrials([Finalist(number=0, params={}, config=SMALL)], seeds=2)
    checkpoints = Checkpoints(folder=tmp_path / "checkpoints")
    for number in range(2):
        sizes = data.sizes(manifest, SMALL)
        training = Replicates([Training(SMALL, sizes, train, valid, seed=number, max_epochs=3)])
        while not training.finished:
            trials.report(number, training.train_epoch())
        checkpoints.write(number, training.state())
    folder = tmp_path / "promotion"
    folder.mkdir()
    resources = Resources(cpus_per_trial=1, gpus_per_trial=0, max_concurrent=1)
    promotion = Promotion(
        study=simulated.run(1),
        trials=trials,
        workplace=Workplace(data=data, max_epochs=1, resources=resources, checkpoints=checkpoints),
        folder=folder,
        location=resolve(f"sqlite:///{tmp_path}/ml.db"),
        mlflow=SimpleNamespace(run_id=lambda number: f"run-{number}"),  # type: ignore[arg-type]
    )
    return SimpleNamespace(promotion=promotion, folder=folder)


def test_a_registry_that_fails_loses_neither_model_nor_test_metrics(
    promotion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise WorkFailedError("dlf-synthetic could not be registered")

    monkeypatch.setattr("search.promotion.register_champion", refuse)
    with pytest.raises(WorkFailedError, match="are kept in"):
        promotion.promotion.hand_over()
    assert json.loads((promotion.folder / "test.json").read_text())["mae"] > 0
    assert (promotion.folder / "model" / "model.safetensors").exists()
    kept = {file.name for file in (promotion.folder / "artifacts").iterdir()}
    assert kept == {TEST_PREDICTIONS_FILE, CLASSES_FILE, PROJECTION_FILE}
    assert reads_of(promotion.promotion.study) == 1


def test_the_registered_model_is_the_best_on_validation_with_its_own_test_metrics(
    promotion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: dict[str, Any] = {}

    def register(_location: object, **named: Any) -> SimpleNamespace:
        registered.update(named)
        return SimpleNamespace(model="dlf-synthetic", version=1, alias="champion")

    monkeypatch.setattr("search.promotion.register_champion", register)
    result = promotion.promotion.hand_over()
    maes = promotion.promotion.trials.valid_mae(promotion.promotion.trials.winner())
    assert registered["run_id"] == f"run-{maes.index(min(maes))}"
    assert TrainedModel.load(registered["folder"]).card.valid.mae == min(maes)
    assert registered["metrics"]["test/mae"] != result.test.mae
    assert set(registered["metrics"]) == {f"test/{name}" for name in type(result.test).model_fields}


def accept(_location: object, **_named: object) -> SimpleNamespace:
    return SimpleNamespace(model="dlf-synthetic", version=1, alias="champion")


def test_the_test_predictions_are_those_of_the_registered_model_and_of_every_seed(
    promotion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.promotion.register_champion", accept)
    result = promotion.promotion.hand_over()
    kept = promotion.folder / "artifacts"
    found = read_predictions(kept / TEST_PREDICTIONS_FILE)
    registered = TrainedModel.load(promotion.folder / "model")
    data = promotion.promotion.workplace.data
    monkeypatch.setattr("dlf.data.store._test_split_sealed", False)
    test = open_test_split("synthetic", data.data_dir)
    clips = Clips(test, registered.card.sizes, registered.config, "cpu")
    expected = predict(registered.model, clips, registered.config)
    assert list(found.ids) == test.ids
    np.testing.assert_array_equal(found.labels, test.labels)
    np.testing.assert_array_equal(found.prediction, expected)
    assert list(found.others) == ["seed_0", "seed_1"]
    (maes,) = [each.valid_mae for each in result.finalists]
    best = maes.index(min(maes))
    np.testing.assert_array_equal(found.others[f"seed_{best}"], found.prediction)
    assert not np.array_equal(found.others[f"seed_{1 - best}"], found.prediction)
    errors = [np.abs(each - test.labels).mean() for each in found.others.values()]
    assert result.test.mae == pytest.approx(np.mean(errors), rel=1e-6)
    for figure in (CLASSES_FILE, PROJECTION_FILE):
        assert Image.open(kept / figure).format == "PNG"


def test_what_cannot_be_drawn_does_not_stop_the_promotion(
    promotion: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> bytes:
        assert (promotion.folder / "test.json").exists()
        raise ValueError("a projection needs 3 clips, and there are 2")

    monkeypatch.setattr("tracking.figures.projection.projection", refuse)
    monkeypatch.setattr("search.promotion.register_champion", accept)
    assert promotion.promotion.hand_over().version == 1
    assert "lacks some figures of the model: a projection needs 3 clips" in capsys.readouterr().err
    assert (promotion.folder / "artifacts" / CLASSES_FILE).exists()
    assert reads_of(promotion.promotion.study) == 1
