"""Which trials' models are kept, and what happens where something cannot be."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlf.config import Config
from dlf.data import open_split, read_manifest
from dlf.metrics import Metrics
from dlf.replicates import Replicates
from dlf.text.source import TextSource
from dlf.training import EpochRecord, Training
from search.checkpoints import Checkpoints
from search.kept_results import KeptResults
from search.trial_data import TrialData
from tests.conftest import TINY_CLIPS
from tracking.predictions import read_predictions
from tracking.records import Outcome, TrialRecord, TrialState
from tracking.study_files import StudyFiles

CONFIG = Config().with_values(
    {"width": 8, "heads": 2, "encoder_layers": 1, "attractor_layers": 1, "memory_layers": 1}
)
COMPLETE, PRUNED = Outcome(state=TrialState.COMPLETE), Outcome(state=TrialState.PRUNED)


class Kept:
    """A study's folder, in which trials end with made-up validation MAEs."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        digest = read_manifest("synthetic", data_dir).digest
        text = TextSource(way="precomputed")
        self.data = TrialData(
            dataset="synthetic", dataset_digest=digest, data_dir=data_dir, text=text
        )
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")
        self.files = StudyFiles(folder)
        self.changes: list[Sequence[int]] = []
        self.told: list[str] = []

    def results(self, models: int = 2) -> KeptResults:
        return KeptResults(
            self.checkpoints,
            self.files,
            self.data,
            models=models,
            models_changed=self.changes.append,
            tell=self.told.append,
        )

    def end(
        self,
        results: KeptResults,
        number: int,
        value: float,
        state: Mapping[str, Any],
        outcome: Outcome = COMPLETE,
    ) -> None:
        results.start_trial(
            TrialRecord(number=number, name="", params={}, config_yaml=CONFIG.to_yaml(), seed=1)
        )
        if state:
            self.checkpoints.write(number, with_mae(state, value))
            seeds = len(state["replicates"])
            self.checkpoints.write_predictions(
                number, np.zeros((seeds, TINY_CLIPS["valid"]), dtype=np.float32)
            )
        results.log_epoch(number, 1, {"valid/best_mae": value})
        results.end_trial(number, outcome)


def with_mae(state: Mapping[str, Any], value: float) -> dict[str, Any]:
    """Return the state of trainings that reached this validation MAE, one a bit later."""
    changed = []
    for index, each in enumerate(state["replicates"]):
        record = EpochRecord.model_validate(each["history"][0])
        valid = Metrics(**{**record.valid.model_dump(), "mae": value + index / 100})
        mended = record.model_copy(update={"valid": valid, "best_mae": valid.mae})
        changed.append({**each, "history": [mended.model_dump()]})
    return {**state, "replicates": changed}


@pytest.fixture(scope="module")
def state(tiny_data: Path) -> dict[str, Any]:
    train, valid = (open_split("synthetic", tiny_data, name) for name in ("train", "valid"))
    data = TrialData(
        dataset="synthetic",
        dataset_digest=read_manifest("synthetic", tiny_data).digest,
        data_dir=tiny_data,
        text=TextSource(way="precomputed"),
    )
    sizes = data.sizes(read_manifest("synthetic", tiny_data), CONFIG)
    trainings = [Training(CONFIG, sizes, train, valid, seed=s, max_epochs=1) for s in (4, 5)]
    replicates = Replicates(trainings)
    replicates.train_epoch()
    return replicates.state()


@pytest.fixture
def kept(tmp_path: Path, tiny_data: Path) -> Kept:
    return Kept(tmp_path, tiny_data)


def test_better_models_replace_worse_ones(kept: Kept, state: dict[str, Any]) -> None:
    results = kept.results()
    for number, value in enumerate((0.9, 0.7, 0.8, 0.85, 0.6)):
        kept.end(results, number, value, state)
    assert kept.changes == [[0], [0, 1], [1, 2], [1, 4]]
    assert kept.files.all_models().keys() == {1, 4}
    kept.end(results, 5, 0.5, state, PRUNED)
    assert kept.files.all_models().keys() == {1, 4}
    assert kept.told == []


def test_a_resumed_search_knows_what_is_kept(kept: Kept, state: dict[str, Any]) -> None:
    results = kept.results()
    for number, value in enumerate((0.9, 0.7)):
        kept.end(results, number, value, state)
    again = kept.results()
    kept.end(again, 2, 0.95, state)
    assert kept.files.all_models().keys() == {0, 1}
    kept.end(again, 3, 0.8, state)
    assert kept.files.all_models().keys() == {1, 3}


def test_of_several_seeds_the_best_one_is_kept_and_all_predictions(
    kept: Kept, state: dict[str, Any]
) -> None:
    kept.end(kept.results(), 3, 0.7, state)
    assert '"seed": 4' in (kept.files.model(3) / "card.json").read_text()
    columns = read_predictions(kept.files.predictions(3)).columns
    assert list(columns) == ["prediction", "replicate_0", "replicate_1"]


def test_no_models_are_kept_when_none_are_wanted(kept: Kept, state: dict[str, Any]) -> None:
    kept.end(kept.results(models=0), 0, 0.7, state)
    assert kept.files.all_models() == {}
    assert kept.files.predictions(0).is_file()


def test_a_trial_without_a_checkpoint_leaves_nothing(kept: Kept) -> None:
    kept.end(kept.results(), 0, 0.7, {})
    assert kept.files.all_models() == {}
    assert kept.told == []


def test_what_cannot_be_kept_is_told_and_costs_nothing(
    kept: Kept, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.kept_results.write_predictions", full)
    kept.end(kept.results(), 0, 0.7, state)
    assert kept.told == ["a part of trial 0 could not be kept: [Errno 28] No space left on device"]


def test_a_damaged_checkpoint_is_told(kept: Kept, state: dict[str, Any]) -> None:
    results = kept.results()
    results.start_trial(
        TrialRecord(number=0, name="", params={}, config_yaml=CONFIG.to_yaml(), seed=1)
    )
    results.log_epoch(0, 1, {"valid/best_mae": 0.5})
    kept.checkpoints.of(0).mkdir(parents=True)
    torch.save({}, kept.checkpoints.of(0) / "other")
    (kept.checkpoints.of(0) / "training.pt").write_bytes(b"no archive")
    results.end_trial(0, COMPLETE)
    (told,) = kept.told
    assert "cannot be read" in told
