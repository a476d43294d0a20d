"""Which trials' models are kept, and what happens where something cannot be."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState as OptunaState
from safetensors import SafetensorError

from dlf.command import WorkFailedError
from dlf.config import Config
from dlf.data import open_split, read_manifest
from dlf.metrics import Metrics
from dlf.replicates import Replicates
from dlf.text.source import TextSource
from dlf.trained_model import CARD_FILE, WEIGHTS_FILE, TrainedModel
from dlf.training import EpochRecord, Training
from search.checkpoints import PREDICTIONS_FILE, Checkpoints
from search.identity import StudyIdentity
from search.kept_results import EndedTrial, KeptResults
from search.trial_data import TrialData
from tests.support.searches import Search
from tests.support.simulation import SimulatedSearch
from tracking.predictions import read_predictions
from tracking.records import Outcome, TrialRecord, TrialState
from tracking.run_names import PREDICTIONS_FILE as SENT_PREDICTIONS_FILE
from tracking.study_files import StudyFiles

CONFIG = Config().with_values(
    {"width": 8, "heads": 2, "encoder_layers": 1, "attractor_layers": 1, "memory_layers": 1}
)
COMPLETE, PRUNED = Outcome(state=TrialState.COMPLETE), Outcome(state=TrialState.PRUNED)


class Kept:
    """A study's folder, in which trials end with made-up validation MAEs."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.labels = open_split("synthetic", data_dir, "valid").labels
        digest = read_manifest("synthetic", data_dir).digest
        text = TextSource(way="precomputed")
        self.data = TrialData(
            dataset="synthetic", dataset_digest=digest, data_dir=data_dir, text=text
        )
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")
        self.files = StudyFiles(folder)
        self.changes: list[Sequence[int]] = []
        self.told: list[str] = []

    def results(self, models: int = 2, values: Mapping[int, float] = {}) -> KeptResults:
        return KeptResults(
            self.checkpoints,
            self.files,
            self.data,
            models=models,
            values=values,
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
        *,
        spread: float = 0.01,
    ) -> None:
        if state:
            self.write(number, value, state, spread=spread)
        self.report_and_end(results, number, value, outcome)

    def write(
        self, number: int, value: float, state: Mapping[str, Any], *, spread: float = 0.01
    ) -> None:
        """Leave what a trial leaves whose two seeds reach the value in the mean."""
        reached = (value - spread, value + spread)
        self.checkpoints.write(number, with_mae(state, value, reached))
        self.checkpoints.write_predictions(number, np.stack([self.labels + mae for mae in reached]))

    def report_and_end(
        self, results: KeptResults, number: int, value: float, outcome: Outcome = COMPLETE
    ) -> None:
        results.start_trial(
            TrialRecord(number=number, name="", params={}, config_yaml=CONFIG.to_yaml(), seed=1)
        )
        results.log_epoch(number, 1, {"valid/best_mae": value})
        results.end_trial(number, outcome)


def with_mae(state: Mapping[str, Any], value: float, reached: Sequence[float]) -> dict[str, Any]:
    """Return the state of trainings that reached these validation MAEs, the value together."""
    changed = []
    for mae, each in zip(reached, state["replicates"], strict=True):
        record = EpochRecord.model_validate(each["history"][0])
        valid = Metrics(**{**record.valid.model_dump(), "mae": mae})
        mended = record.model_copy(update={"valid": valid, "best_mae": mae})
        changed.append({**each, "history": [mended.model_dump()]})
    together = EpochRecord.model_validate(state["history"][0])
    history = [together.model_copy(update={"best_mae": value}).model_dump()]
    return {"replicates": changed, "history": history}


class Left(NamedTuple):
    """What a killed driver leaves."""

    study: optuna.Study
    identity: StudyIdentity


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
def left(kept: Kept, state: dict[str, Any], simulated: SimulatedSearch) -> Left:
    """Four trials that ended without anybody being told, and one that is under way."""
    study = optuna.create_study(storage=None)
    ends = (OptunaState.COMPLETE, OptunaState.PRUNED, OptunaState.FAIL, OptunaState.COMPLETE)
    for number, end in enumerate((*ends, None)):
        trial = study.ask()
        trial.report(0.5 + number / 10, step=1)
        kept.write(number, 0.5 + number / 10, state)
        if end is not None:
            complete = end is OptunaState.COMPLETE
            study.tell(trial, 0.5 + number / 10 if complete else None, state=end)
    # Its checkpoint was removed as the last of what is done at an end.
    kept.checkpoints.discard(3)
    identity = simulated.identity.model_copy(update={"paper": CONFIG, "base": CONFIG})
    return Left(study, identity)


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


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x93NUMPY\x01\x00\x02\x00{("])
def test_damaged_predictions_are_told_and_the_model_is_kept(
    kept: Kept, state: dict[str, Any], content: bytes
) -> None:
    kept.write(0, 0.5, state)
    (kept.checkpoints.of(0) / PREDICTIONS_FILE).write_bytes(content)
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


def test_what_a_killed_driver_did_not_keep_is_kept_by_the_next(kept: Kept, left: Left) -> None:
    kept.results(models=1).keep_left_behind(*left)
    there = [number for number in range(5) if kept.files.predictions(number).exists()]
    assert there == [0, 1, 2]
    assert TrainedModel.load(kept.files.model(0)).config == CONFIG
    assert kept.changes[-1] == [0]
    assert kept.told == []


def test_what_is_kept_already_is_only_told_again(
    kept: Kept, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.results(models=1).keep_left_behind(*left)

    def refuse(*_: object) -> None:
        raise AssertionError("it is read again")

    monkeypatch.setattr(Checkpoints, "read", refuse)
    monkeypatch.setattr(Checkpoints, "read_predictions", refuse)
    kept.results(models=1, values={0: 0.5}).keep_left_behind(*left)
    assert kept.changes[-1] == [0]
    assert len(kept.changes) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
def test_a_search_that_dies_while_it_keeps_a_trial_has_lost_nothing_of_it(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, size = Search(tmp_path, tiny_data), ("--trials", 2, "--max-epochs", 1)

    def die(_: KeptResults, trial: EndedTrial) -> None:
        raise WorkFailedError(f"died with trial {trial.number}")

    with monkeypatch.context() as dying:
        dying.setattr(KeptResults, "_keep_predictions", die)
        first = search.run(*size)
    assert (first.code, first.err.splitlines()[-1]) == (1, "died with trial 0")
    assert search.states[0] == "COMPLETE"
    files = StudyFiles(search.place.folder)
    assert not files.predictions(0).exists()
    again = search.run("--resume", *size)
    assert again.code == 0, again.err
    assert search.audit() == []
    assert files.all_models().keys() == {0, 1}
    for name in (SENT_PREDICTIONS_FILE, WEIGHTS_FILE):
        assert len(list((tmp_path / "mlartifacts").rglob(name))) == 2, name
