"""Predictions of a model loaded from its folder: right, the same whatever stands beside a row."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlf.command import BadInputError
from dlf.data import MODALITIES, Split, open_split
from dlf.serving.predictor import COLUMNS, Predictions, Predictor, find_model
from dlf.text.frozen import FrozenEncoder
from dlf.text.source import Encoder, TextSource
from dlf.training.batching import Clips
from dlf.training.inference import predict, predict_levels
from tests.support.small_models import small_model

CLOSE = 1e-5

Row = dict[str, Any]


@pytest.fixture
def valid(tiny_data: Path) -> Split:
    return open_split("synthetic", tiny_data, "valid")


def rows_of(split: Split, text: list[Any] | None = None) -> list[Row]:
    """Return the clips of a split as rows, their text features replaced if need be."""
    rows: list[Row] = [{} for _ in range(len(split))]
    for m in MODALITIES:
        values, starts, lengths = split[m].values, split[m].starts, split[m].lengths
        for row, start, length in zip(rows, starts, lengths, strict=True):
            row[m] = values[start : start + length].tolist()
    for row, given in zip(rows, text or [], strict=bool(text)):
        row["text"] = given
    return rows


def assert_close(found: Predictions, expected: Predictions) -> None:
    np.testing.assert_allclose(found.sentiment, expected.sentiment, rtol=0, atol=CLOSE)
    assert list(found.by_modality) == list(expected.by_modality)
    for m, values in expected.by_modality.items():
        np.testing.assert_allclose(found.by_modality[m], values, rtol=0, atol=CLOSE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "precomputed"
    small_model().export(folder)
    return folder


class TestPredictions:
    def test_they_are_those_of_the_model_on_the_dataset(self, model: Path, valid: Split) -> None:
        trained = small_model()
        clips = Clips(valid, trained.card.sizes, trained.config, "cpu")
        levels = predict_levels(trained.model, clips, trained.config)
        found = Predictor.load(model).predict(rows_of(valid))
        np.testing.assert_allclose(found.sentiment, levels.prediction, rtol=0, atol=CLOSE)
        np.testing.assert_array_equal(
            levels.prediction, predict(trained.model, clips, trained.config)
        )
        assert list(found.by_modality) == list(MODALITIES)
        assert levels.specific is not None
        np.testing.assert_allclose(
            np.stack(list(found.by_modality.values())), levels.specific, rtol=0, atol=CLOSE
        )
        assert np.ptp(found.sentiment) > 100 * CLOSE, "clips differ by far more than is allowed"

    @pytest.mark.parametrize(
        "values", [{}, {"padding": "reference"}, {"precision": "bfloat16"}, {"audio_kernel": 1}]
    )
    def test_a_row_is_predicted_alike_whatever_stands_beside_it(
        self, valid: Split, tmp_path: Path, values: dict[str, Any]
    ) -> None:
        small_model(values=values).export(tmp_path / "model")
        predictor = Predictor.load(tmp_path / "model")
        rows = rows_of(valid)
        rows.append({m: rows[0][m] * 90 for m in MODALITIES})
        together = predictor.predict(rows)
        for number, row in enumerate(rows):
            alone = predictor.predict([row])
            expected = Predictions(
                together.sentiment[[number]],
                {m: each[[number]] for m, each in together.by_modality.items()},
            )
            assert_close(alone, expected)
        assert_close(predictor.predict(rows), together)

    def test_a_model_trained_in_mixed_precision_predicts_in_full(
        self, model: Path, valid: Split, tmp_path: Path
    ) -> None:
        small_model(values={"precision": "bfloat16"}).export(tmp_path / "mixed")
        found, expected = (
            Predictor.load(folder).predict(rows_of(valid)) for folder in (tmp_path / "mixed", model)
        )
        assert_close(found, expected)

    def test_they_lie_on_the_scale(self, valid: Split, tmp_path: Path) -> None:
        trained = small_model()
        with torch.no_grad():
            for head in (trained.model.fusion_head, trained.model.specific_heads):
                for parameter in head.parameters():
                    parameter.mul_(40)
        trained.export(tmp_path / "loud")
        predictor = Predictor.load(tmp_path / "loud")
        found = predictor.predict(rows_of(valid))
        assert np.abs(found.sentiment).max() == 3
        assert max(np.abs(values).max() for values in found.by_modality.values()) == 3

    def test_one_that_is_no_number_is_refused(self, model: Path, valid: Split) -> None:
        rows = rows_of(valid)[:2]
        rows[1]["audio"] = [[1e38] * valid.audio.values.shape[1]]
        with pytest.raises(BadInputError, match="the prediction of row 1 is not a number"):
            Predictor.load(model).predict(rows)

    def test_classes_are_whole_and_halves_go_to_even(self) -> None:
        sentiment = np.array([-3, -2.5, -0.5, 0.49, 0.5, 1.5, 3], np.float32)
        table = Predictions(sentiment, {"audio": sentiment}).columns()
        assert list(table) == list(COLUMNS)
        assert table["class"] == [-3, -2, 0, 0, 0, 2, 3]
        assert all(type(value) is int for value in table["class"])
        assert table["audio"] == table["sentiment"] == sentiment.tolist()
        assert table["text"] == table["vision"] == [None] * 7

    @pytest.mark.parametrize(
        ("values", "there"),
        [
            ({"hierarchical": False}, []),
            ({"modalities": "text+vision", "attractor": "own"}, ["text", "vision"]),
            ({"modalities": "audio", "disentangled": False}, ["audio"]),
        ],
    )
    def test_what_a_model_lacks_is_none(
        self, valid: Split, tmp_path: Path, values: dict[str, Any], there: list[str]
    ) -> None:
        small_model(values=values).export(tmp_path / "model")
        found = Predictor.load(tmp_path / "model").predict(rows_of(valid))
        assert list(found.by_modality) == there
        assert np.isfinite(found.sentiment).all()

    def test_threads_are_left_as_they_are(self, model: Path, valid: Split) -> None:
        before = torch.get_num_threads()
        Predictor.load(model).predict(rows_of(valid))
        assert torch.get_num_threads() == before


class TestText:
    def test_strings_token_ids_and_features_agree(
        self, minilm: Encoder, valid: Split, tmp_path: Path
    ) -> None:
        text = TextSource(way="frozen", encoder=minilm)
        small_model(text).export(tmp_path / "model")
        predictor = Predictor.load(tmp_path / "model")
        said = predictor.predict(rows_of(valid, valid.raw_text))
        tokens = valid.token_ids
        ids = [
            tokens.values[start : start + length].tolist()
            for start, length in zip(tokens.starts, tokens.lengths, strict=True)
        ]
        assert_close(predictor.predict(rows_of(valid, ids)), said)
        features = FrozenEncoder(minilm, "cpu").encode([np.array(each, np.int32) for each in ids])
        assert_close(predictor.predict(rows_of(valid, features)), said)
        assert_close(predictor.predict_split(valid, valid), said)
        mixed = [*valid.raw_text[:4], *ids[4:8], *features[8:]]
        assert_close(predictor.predict(rows_of(valid, mixed)), said)
        assert np.ptp(said.by_modality["text"]) > 100 * CLOSE

    def test_an_encoder_that_learned_along_reads_too(
        self, tiny_encoder: Encoder, valid: Split, tmp_path: Path
    ) -> None:
        text = TextSource(way="finetune", encoder=tiny_encoder)
        small_model(text).export(tmp_path / "model")
        predictor = Predictor.load(tmp_path / "model")
        said = predictor.predict(rows_of(valid, valid.raw_text))
        assert_close(predictor.predict_split(valid, valid), said)

    def test_an_exported_folder_needs_neither_hub_nor_package(
        self, tiny_encoder: Encoder, valid: Split, tmp_path: Path
    ) -> None:
        shutil.copytree(tiny_encoder.name, tmp_path / "encoder")
        moved = tiny_encoder.model_copy(update={"name": str(tmp_path / "encoder")})
        rows = rows_of(valid, valid.raw_text)
        for way in ("frozen", "finetune"):
            folder = tmp_path / way
            small_model(TextSource(way=way, encoder=moved)).export(folder)
        expected = {way: Predictor.load(tmp_path / way).predict(rows) for way in ("frozen",)}
        shutil.rmtree(tmp_path / "encoder")
        for way in ("frozen", "finetune"):
            found = Predictor.load(tmp_path / way).predict(rows)
            assert len(found.sentiment) == len(rows)
            assert_close(found, expected.get(way, found))

    def test_a_saved_folder_finds_the_frozen_encoder_by_name(
        self, tiny_encoder: Encoder, valid: Split, tmp_path: Path
    ) -> None:
        trained = small_model(TextSource(way="frozen", encoder=tiny_encoder))
        trained.save(tmp_path / "saved")
        trained.export(tmp_path / "exported")
        rows = rows_of(valid, valid.raw_text)
        found, expected = (
            Predictor.load(tmp_path / name).predict(rows) for name in ("saved", "exported")
        )
        assert_close(found, expected)

    def test_a_frozen_encoder_that_changed_is_refused(
        self, tiny_encoder: Encoder, valid: Split, tmp_path: Path
    ) -> None:
        small_model(TextSource(way="frozen", encoder=tiny_encoder)).export(tmp_path / "model")
        with (tmp_path / "model" / "text_encoder" / "config.json").open("a") as file:
            file.write("\n")
        predictor = Predictor.load(tmp_path / "model")
        with pytest.raises(BadInputError, match="text_encoder is not the one that"):
            predictor.predict(rows_of(valid, valid.raw_text))

    def test_a_frozen_encoder_is_read_once_and_only_when_needed(
        self,
        tiny_encoder: Encoder,
        valid: Split,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        small_model(TextSource(way="frozen", encoder=tiny_encoder)).export(tmp_path / "model")
        read: list[str] = []
        init = FrozenEncoder.__init__

        def count(self: FrozenEncoder, source: Encoder, device: str) -> None:
            read.append(source.name)
            init(self, source, device)

        monkeypatch.setattr(FrozenEncoder, "__init__", count)
        predictor = Predictor.load(tmp_path / "model")
        features: list[NDArray[np.float32]] = [np.ones((3, 16), np.float32)] * len(valid)
        predictor.predict(rows_of(valid, features))
        assert read == []
        rows = rows_of(valid, valid.raw_text)
        with ThreadPoolExecutor(4) as threads:
            said = list(threads.map(predictor.predict, [rows] * 8))
        assert read == [str(tmp_path / "model" / "text_encoder")]
        for each in said[1:]:
            assert_close(each, said[0])

    def test_a_model_without_language_reads_no_text(
        self, tiny_encoder: Encoder, valid: Split, tmp_path: Path
    ) -> None:
        values = {"modalities": "audio+vision", "attractor": "own"}
        for way in ("frozen", "finetune"):
            text = TextSource(way=way, encoder=tiny_encoder)
            small_model(text, values).export(tmp_path / way)
            assert not (tmp_path / way / "text_encoder").exists()
            rows = [{"audio": row["audio"], "vision": row["vision"]} for row in rows_of(valid)]
            found = Predictor.load(tmp_path / way).predict(rows)
            assert_close(Predictor.load(tmp_path / way).predict_split(valid, valid), found)

    def test_a_split_without_words_is_refused(
        self, tiny_encoder: Encoder, split_of: Callable[..., Split], tmp_path: Path
    ) -> None:
        small_model(TextSource(way="frozen", encoder=tiny_encoder)).export(tmp_path / "model")
        wide = {"text": 16, "audio": 5, "vision": 20}
        clips = {m: [np.ones((2, width), np.float32)] for m, width in wide.items()}
        split = split_of(clips, np.zeros(1, np.float32))
        split.raw_text[0] = " "
        with pytest.raises(BadInputError, match="made has no raw_text, which the text encoder"):
            Predictor.load(tmp_path / "model").predict_split(split, split)


class TestFolders:
    def test_a_model_is_found_inside_one_of_mlflow(self, model: Path, tmp_path: Path) -> None:
        packed = tmp_path / "packed"
        shutil.copytree(model, packed / "data" / "exported")
        (packed / "MLmodel").write_text("flavors: {}\n")
        assert find_model(packed) == packed / "data" / "exported"
        assert find_model(model) == model
        Predictor.load(packed)

    def test_what_holds_no_model_is_refused(self, model: Path, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match=r"there is no folder .*nowhere"):
            Predictor.load(tmp_path / "nowhere")
        with pytest.raises(BadInputError, match=r"holds no model: there is no card\.json in it"):
            Predictor.load(tmp_path)
        for name in ("a", "b"):
            shutil.copytree(model, tmp_path / "data" / name)
        with pytest.raises(BadInputError, match=r"holds several models; name one: .*data/a"):
            Predictor.load(tmp_path)

    @pytest.mark.parametrize("name", ["config.yaml", "model.safetensors"])
    def test_a_missing_file_is_named(self, model: Path, tmp_path: Path, name: str) -> None:
        shutil.copytree(model, tmp_path / "model")
        (tmp_path / "model" / name).unlink()
        with pytest.raises(BadInputError, match=f"model has no {name}; bring"):
            Predictor.load(tmp_path / "model")

    @pytest.mark.parametrize("name", ["card.json", "config.yaml", "model.safetensors"])
    def test_a_damaged_file_is_refused(self, model: Path, tmp_path: Path, name: str) -> None:
        shutil.copytree(model, tmp_path / "model")
        file = tmp_path / "model" / name
        file.write_bytes(file.read_bytes()[:-40] + b"\xff\xfe{")
        with pytest.raises(BadInputError, match="is damaged or of another version") as refused:
            Predictor.load(tmp_path / "model")
        assert "\n" not in str(refused.value)

    def test_weights_of_another_model_are_refused(self, model: Path, tmp_path: Path) -> None:
        shutil.copytree(model, tmp_path / "model")
        small_model(values={"encoder_layers": 2}).save(tmp_path / "other")
        (tmp_path / "other" / "model.safetensors").replace(tmp_path / "model" / "model.safetensors")
        with pytest.raises(BadInputError, match="is damaged or of another version"):
            Predictor.load(tmp_path / "model")

    def test_an_imported_model_takes_features(self, valid: Split, tmp_path: Path) -> None:
        small_model(None).save(tmp_path / "model")
        (tmp_path / "model" / "text_encoder").mkdir()
        predictor = Predictor.load(tmp_path / "model")
        expected = small_model()
        expected.save(tmp_path / "expected")
        rows = rows_of(valid)
        assert_close(predictor.predict(rows), Predictor.load(tmp_path / "expected").predict(rows))
        with pytest.raises(BadInputError, match="row 0: text is a string where this model"):
            predictor.predict([{**rows[0], "text": "great"}])


def test_other_widths_of_a_file_are_refused(model: Path, split_of: Callable[..., Split]) -> None:
    clips = {m: [np.ones((2, 32), np.float32)] for m in MODALITIES}
    with pytest.raises(BadInputError, match="made/audio has width 32 where the model takes 5"):
        Predictor.load(model).predict_split(split := split_of(clips, np.zeros(1)), split)
