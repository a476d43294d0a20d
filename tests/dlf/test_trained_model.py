"""A trained model as a folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from dlf.command import BadInputError
from dlf.config import Config, Value
from dlf.data import Split
from dlf.metrics import compute_metrics
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.text.encoder import find_encoder
from dlf.text.source import Encoder, TextSource, TextWay
from dlf.trained_model import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelCard, TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from tests.support.small_models import small_model


@pytest.fixture
def split(planted_split: Callable[..., Split]) -> Split:
    return planted_split(12, seed=0)


@pytest.fixture
def trained(tiny_config: Config, tiny_sizes: InputSizes, split: Split) -> TrainedModel:
    """A model with random weights, which is as good as any here."""
    torch.manual_seed(7)
    config = tiny_config.with_values({"margin": 0.3, "memory_layers": 2})
    model = DLF(config.model, tiny_sizes)
    metrics = compute_metrics(
        predict(model, Clips(split, tiny_sizes, config, "cpu"), config), split.labels
    )
    card = ModelCard(
        dataset="synthetic",
        dataset_digest="d" * 64,
        sizes=tiny_sizes,
        seed=3,
        epoch=5,
        valid=metrics,
    )
    return TrainedModel(model, config, card)


def test_saved_and_loaded_predicts_the_same(
    trained: TrainedModel, split: Split, tmp_path: Path
) -> None:
    folder = tmp_path / "not there" / "yet"
    trained.save(folder)
    loaded = TrainedModel.load(folder)
    assert loaded.config == trained.config
    assert loaded.card == trained.card
    clips = Clips(split, loaded.card.sizes, loaded.config, "cpu")
    expected = predict(trained.model, clips, trained.config)
    assert np.array_equal(predict(loaded.model, clips, loaded.config), expected)
    assert compute_metrics(expected, split.labels) == loaded.card.valid
    assert np.ptp(expected) > 0


@pytest.mark.parametrize(
    "values", [{"modalities": "text+vision", "attractor": "own"}, {"disentangled": False}]
)
def test_an_ablated_model_is_loaded_as_such(
    tiny_config: Config,
    trained: TrainedModel,
    split: Split,
    tmp_path: Path,
    values: dict[str, Value],
) -> None:
    config = tiny_config.with_values(values)
    model = DLF(config.model, trained.card.sizes)
    TrainedModel(model, config, trained.card).save(tmp_path)
    loaded = TrainedModel.load(tmp_path)
    clips = Clips(split, trained.card.sizes, config, "cpu")
    assert loaded.config == config
    assert np.array_equal(predict(loaded.model, clips, config), predict(model, clips, config))


@pytest.mark.parametrize("name", [CONFIG_FILE, CARD_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(trained: TrainedModel, tmp_path: Path, name: str) -> None:
    trained.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        TrainedModel.load(tmp_path)


def test_a_model_replaces_the_former_one_as_a_whole(trained: TrainedModel, tmp_path: Path) -> None:
    folder = tmp_path / "trial-3"
    trained.save(folder)
    (folder / "text_encoder").mkdir()
    card = trained.card.model_copy(update={"seed": 4})
    trained._replace(card=card).save(folder)
    assert TrainedModel.load(folder).card == card
    assert {file.name for file in folder.iterdir()} == {CONFIG_FILE, CARD_FILE, WEIGHTS_FILE}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("error", [SafetensorError("No space left"), OSError(28, "No space left")])
def test_a_model_that_cannot_be_written_leaves_the_former_one(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    folder = tmp_path / "trial-3"
    trained.save(folder)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr("dlf.trained_model.save_file", full)
    card = trained.card.model_copy(update={"seed": 4})
    with pytest.raises(OSError, match="No space left"):
        trained._replace(card=card).save(folder)
    assert TrainedModel.load(folder).card == trained.card
    assert list(tmp_path.iterdir()) == [folder]


class TestExport:
    """A frozen text encoder comes along."""

    @pytest.fixture
    def encoder(self, tiny_encoder: Encoder, tmp_path: Path) -> Encoder:
        """One that a test may spoil."""
        shutil.copytree(tiny_encoder.name, tmp_path / "encoder")
        return find_encoder(str(tmp_path / "encoder"))

    @pytest.fixture
    def frozen(self, encoder: Encoder) -> TrainedModel:
        return small_model(TextSource(way="frozen", encoder=encoder))

    def test_it_is_whole_and_the_same_encoder(
        self, frozen: TrainedModel, encoder: Encoder, tmp_path: Path
    ) -> None:
        frozen.export(tmp_path / "model")
        inside = find_encoder(str(tmp_path / "model" / "text_encoder"))
        assert inside == encoder.model_copy(update={"name": inside.name})
        frozen.save(tmp_path / "saved")
        assert not (tmp_path / "saved" / "text_encoder").exists()

    def test_it_is_not_taken_for_one_that_learned_along(
        self, frozen: TrainedModel, tmp_path: Path
    ) -> None:
        frozen.export(tmp_path / "model")
        loaded = TrainedModel.load(tmp_path / "model")
        assert loaded.model.text_encoder is None
        assert loaded.card == frozen.card

    @pytest.mark.parametrize("way", ["finetune", "precomputed"])
    def test_other_ways_are_exported_as_they_are_saved(
        self, encoder: Encoder, tmp_path: Path, way: TextWay
    ) -> None:
        known = None if way == "precomputed" else encoder
        trained = small_model(TextSource(way=way, encoder=known))
        trained.save(tmp_path / "saved")
        trained.export(tmp_path / "exported")
        saved, exported = (
            {
                str(file.relative_to(tmp_path / name)): file.read_bytes()
                for file in (tmp_path / name).rglob("*")
                if file.is_file()
            }
            for name in ("saved", "exported")
        )
        assert exported == saved
        assert not any("text_encoder/model" in name for name in exported)

    def test_an_encoder_that_changed_leaves_the_former_model(
        self, frozen: TrainedModel, encoder: Encoder, tmp_path: Path
    ) -> None:
        frozen.export(tmp_path / "model")
        before = sorted(tmp_path.rglob("*"))
        with Path(encoder.name, "config.json").open("a") as file:
            file.write("\n")
        with pytest.raises(BadInputError, match="is not the one that"):
            frozen.export(tmp_path / "model")
        shutil.rmtree(encoder.name)
        with pytest.raises(BadInputError, match="there is no folder"):
            frozen.export(tmp_path / "model")
        gone = {path for path in before if path.is_relative_to(encoder.name)}
        assert sorted(tmp_path.rglob("*")) == [path for path in before if path not in gone]

    def test_an_encoder_that_cannot_be_copied_leaves_the_former_model(
        self, frozen: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        frozen.export(tmp_path / "model")
        before = sorted(tmp_path.rglob("*"))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("dlf.text.encoder.shutil.copyfile", full)
        with pytest.raises(OSError, match="No space left"):
            frozen.export(tmp_path / "model")
        assert sorted(tmp_path.rglob("*")) == before
