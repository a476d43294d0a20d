"""Which trials' models are kept, and what happens where something cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from dlf.trained_model import CARD_FILE, WEIGHTS_FILE
from search.trial.checkpoints import PREDICTIONS_FILE
from tests.support.kept_study import COMPLETE, Kept, two_trainings
from tests.support.small_models import SMALL
from tracking.predictions import read_predictions
from tracking.records import Outcome, TrialRecord, TrialState

PRUNED = Outcome(state=TrialState.PRUNED)


@pytest.fixture(scope="module")
def state(tiny_data: Path) -> dict[str, Any]:
    return two_trainings(tiny_data)


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
    again = kept.results(values={0: 0.9, 1: 0.7})
    kept.end(again, 2, 0.95, state)
    assert kept.files.all_models().keys() == {0, 1}
    kept.end(again, 3, 0.8, state)
    assert kept.files.all_models().keys() == {1, 3}


def test_a_trial_that_was_left_under_way_may_end_without_another_epoch(
    kept: Kept, state: dict[str, Any]
) -> None:
    kept.write(3, 0.8, state)
    again = kept.results(reached={3: 0.8})
    again.start_trial(
        TrialRecord(number=3, name="", params={}, config_yaml=SMALL.to_yaml(), seed=1)
    )
    again.end_trial(3, PRUNED)
    assert kept.files.predictions(3).is_file()
    assert kept.files.all_models() == {}
    assert kept.told == []


def test_a_resumed_search_compares_the_means_of_seeds(kept: Kept, state: dict[str, Any]) -> None:
    results = kept.results()
    kept.end(results, 0, 0.75, state, spread=0.25)
    kept.end(results, 1, 0.80, state, spread=0.20)
    again = kept.results(values={0: 0.75, 1: 0.80})
    kept.end(again, 2, 0.70, state)
    assert kept.files.all_models().keys() == {0, 2}


def test_what_is_no_whole_model_is_not_counted_and_what_a_killed_writer_left_is_removed(
    kept: Kept, state: dict[str, Any]
) -> None:
    results = kept.results(models=4)
    values = {0: 0.4, 1: 0.5, 2: 0.6, 3: 0.7}
    for number, value in values.items():
        kept.end(results, number, value, state)
    (kept.files.model(0) / CARD_FILE).write_text("")
    (kept.files.model(1) / CARD_FILE).unlink()
    (kept.files.model(2) / WEIGHTS_FILE).unlink()
    left = kept.files.model(4).with_name("trial-4.1234")
    left.mkdir()
    (left / CARD_FILE).write_text("{}")
    again = kept.results(models=2, values=values)
    assert not left.exists()
    kept.end(again, 5, 0.9, state)
    assert kept.changes[-1] == [3, 5]


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

    monkeypatch.setattr("search.recording.kept_results.write_predictions", full)
    kept.end(kept.results(), 0, 0.7, state)
    assert kept.told == ["a part of trial 0 could not be kept: [Errno 28] No space left on device"]


def test_a_damaged_checkpoint_is_told(kept: Kept, state: dict[str, Any]) -> None:
    results = kept.results()
    results.start_trial(
        TrialRecord(number=0, name="", params={}, config_yaml=SMALL.to_yaml(), seed=1)
    )
    results.log_epoch(0, 1, {"valid/best_mae": 0.5})
    (kept.checkpoints.folder / "trial-0").mkdir(parents=True)
    torch.save({}, kept.checkpoints.folder / "trial-0" / "other")
    (kept.checkpoints.folder / "trial-0" / "training.pt").write_bytes(b"no archive")
    results.end_trial(0, COMPLETE)
    (told,) = kept.told
    assert "cannot be read" in told


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x93NUMPY\x01\x00\x02\x00{("])
def test_damaged_predictions_are_told_and_the_model_is_kept(
    kept: Kept, state: dict[str, Any], content: bytes
) -> None:
    kept.write(0, 0.5, state)
    (kept.checkpoints.folder / "trial-0" / PREDICTIONS_FILE).write_bytes(content)
    kept.report_and_end(kept.results(), 0, 0.5)
    (told,) = kept.told
    assert PREDICTIONS_FILE in told
    assert kept.files.all_models().keys() == {0}


def test_a_checkpoint_of_another_epoch_is_told_and_not_kept(
    kept: Kept, state: dict[str, Any]
) -> None:
    kept.write(0, 0.9, state)
    kept.report_and_end(kept.results(), 0, 0.2)
    assert kept.told == [
        "a part of trial 0 could not be kept: its predictions have a validation MAE of 0.9000 "
        "where 0.2000 was reported",
        "a part of trial 0 could not be kept: its checkpoint has a validation MAE of 0.9000 where "
        "0.2000 was reported",
    ]
    assert kept.files.all_models() == {}
    assert not kept.files.predictions(0).exists()


def test_predictions_of_an_earlier_epoch_are_told_and_not_kept(
    kept: Kept, state: dict[str, Any]
) -> None:
    kept.write(0, 0.5, state)
    kept.checkpoints.write_predictions(0, np.stack([kept.labels + 0.51] * 2))
    kept.report_and_end(kept.results(), 0, 0.5)
    (told,) = kept.told
    assert "its predictions have a validation MAE of 0.5100" in told
    assert kept.files.all_models().keys() == {0}
    assert not kept.files.predictions(0).exists()


def test_a_full_disk_costs_only_the_model(
    kept: Kept, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("dlf.trained_model.save_file", full)
    kept.end(kept.results(), 0, 0.7, state)
    (told,) = kept.told
    assert "trial-0 cannot be written: No space left on device" in told
    assert list((kept.files.folder / "models").iterdir()) == []
    assert kept.files.predictions(0).is_file()
