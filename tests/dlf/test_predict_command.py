"""`python -m dlf.predict`: the table it writes, and what it refuses."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dlf import predict as predict_command
from dlf.data import (
    Split,
    open_split,
    open_test_split,
    synthetic,
)
from dlf.data.location import import_file
from dlf.serving.predictor import Predictor
from dlf.text.prepared import open_text, prepare_text
from dlf.text.source import Encoder, TextSource
from dlf.training.batching import Clips
from dlf.training.inference import predict_levels
from tests.conftest import TINY_CLIPS
from tests.support.commands import ROOT, Command
from tests.support.searches import run_here
from tests.support.small_models import small_model

CLOSE = 1e-5
COLUMNS = ["split", "id", "sentiment", "class", "text", "audio", "vision", "label"]

Content = dict[str, dict[str, Any]]


@pytest.fixture
def content() -> Content:
    """What a small feature file holds."""
    whole = synthetic.generate(0)
    return {
        name: {key: rows[:clips] for key, rows in whole[name].items()}
        for name, clips in TINY_CLIPS.items()
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small_model().export(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def predict(tmp_path: Path) -> Callable[..., Command]:
    """Write a content as the source, and run the command on it."""

    def run(model: Path, content: object, *more: str | Path) -> Command:
        source = tmp_path / "aligned_50.pkl"
        source.write_bytes(pickle.dumps(content))
        flags = ["--model", model, "--source", source, "--output", tmp_path / "out.parquet"]
        return run_here(predict_command.main, "predict", *map(str, [*flags, *more]))

    return run


def as_promoted(model: Path, split: Split) -> dict[str, list[float]]:
    """What the model says of a split of an imported dataset, as its training would measure it."""
    trained = Predictor.load(model)
    clips = Clips(split, trained.card.sizes, trained.config, "cpu")
    levels = predict_levels(trained._model, clips, trained.config)
    assert levels.specific is not None
    names = ("sentiment", "text", "audio", "vision")
    rows = np.concatenate([levels.prediction[None], levels.specific])
    return dict(zip(names, rows.clip(-3, 3).tolist(), strict=True))


def assert_table(path: Path, model: Path, splits: dict[str, Split]) -> None:
    table = pq.read_table(path).to_pydict()
    assert list(table) == COLUMNS
    assert table["split"] == [name for name, split in splits.items() for _ in split.ids]
    assert table["id"] == [clip for split in splits.values() for clip in split.ids]
    labels = np.concatenate([split.labels for split in splits.values()])
    np.testing.assert_array_equal(np.float32(table["label"]), labels)
    promoted = [as_promoted(model, split) for split in splits.values()]
    for name in promoted[0]:
        expected = [value for each in promoted for value in each[name]]
        np.testing.assert_allclose(table[name], expected, rtol=0, atol=CLOSE)
    assert table["class"] == [round(value) for value in table["sentiment"]]
    assert np.ptp(table["sentiment"]) > 100 * CLOSE


class TestTheTable:
    def test_it_has_what_the_model_says_of_the_imported_dataset(
        self,
        predict: Callable[..., Command],
        content: Content,
        model: Path,
        tiny_data: Path,
        tmp_path: Path,
    ) -> None:
        done = predict(model, content)
        assert (done.code, done.err) == (0, "")
        output = tmp_path / "out.parquet"
        assert done.out == f"predicted train 32, valid 12, test 12 clips; written to {output}\n"
        splits = {name: open_split("synthetic", tiny_data, name) for name in ("train", "valid")}
        assert_table(output, model, {**splits, "test": open_test_split("synthetic", tiny_data)})

    @pytest.mark.parametrize("way", ["frozen", "finetune"])
    @pytest.mark.parametrize("ids", ["of the file", "of another vocabulary"])
    def test_text_is_read_as_for_the_training(
        self,
        predict: Callable[..., Command],
        content: Content,
        tiny_encoder: Encoder,
        minilm: Encoder,
        tmp_path: Path,
        way: Any,
        ids: str,
    ) -> None:
        encoder = minilm if ids == "of the file" else tiny_encoder
        text = TextSource(way=way, encoder=encoder)
        small_model(text).export(tmp_path / "model")
        assert predict(tmp_path / "model", content).code == 0
        data = tmp_path / "data"
        import_file("mosi", tmp_path / "aligned_50.pkl", data)
        splits = {name: open_split("mosi", data, name) for name in ("train", "valid")}
        splits["test"] = open_test_split("mosi", data)
        prepare_text(text, "mosi", data, list(splits.values()))
        opened = {name: open_text(text, "mosi", data, split) for name, split in splits.items()}
        assert_table(tmp_path / "out.parquet", tmp_path / "model", opened)

    def test_it_agrees_with_rows(
        self, predict: Callable[..., Command], content: Content, model: Path, tmp_path: Path
    ) -> None:
        padded = {key: content["test"][key].copy() for key in ("text", "audio", "vision")}
        assert predict(model, content, "--split", "test").code == 0
        rows = [
            {m: values[clip].tolist() for m, values in padded.items()}
            for clip in range(TINY_CLIPS["test"])
        ]
        table = pq.read_table(tmp_path / "out.parquet").to_pydict()
        for name, values in Predictor.load(model).predict(rows).columns().items():
            np.testing.assert_allclose(table[name], values, rtol=0, atol=CLOSE)

    def test_a_file_may_have_one_split_and_no_labels(
        self, predict: Callable[..., Command], content: Content, model: Path, tmp_path: Path
    ) -> None:
        predict(model, content)
        whole = pq.read_table(tmp_path / "out.parquet").to_pydict()
        del content["test"]["regression_labels"]
        content["test"]["vision"][:] = 0
        content["test"]["vision"][:, :, 3] = np.nan
        content["test"]["vision"][:, :3, 0] = 0.5
        done = predict(model, {"test": content["test"]}, "--json")
        assert json.loads(done.out) == {
            "output": str(tmp_path / "out.parquet"),
            "clips": {"test": 12},
        }
        table = pq.read_table(tmp_path / "out.parquet").to_pydict()
        assert list(table) == COLUMNS[:-1]
        assert table["id"] == whole["id"][-12:]
        assert np.isfinite(table["sentiment"]).all()
        assert table["sentiment"] != whole["sentiment"][-12:]

    def test_clips_of_which_a_modality_is_absent_everywhere_are_predicted(
        self, predict: Callable[..., Command], content: Content, model: Path, tmp_path: Path
    ) -> None:
        content["test"]["vision"][:] = 0
        del content["valid"]["regression_labels"]
        assert predict(model, content, "--split", "test", "valid").code == 0
        table = pq.read_table(tmp_path / "out.parquet").to_pydict()
        assert table["split"] == ["valid"] * 12 + ["test"] * 12
        assert table["label"][:12] == [None] * 12
        assert None not in table["label"][12:]

    def test_a_model_without_hierarchy_leaves_nulls(
        self, predict: Callable[..., Command], content: Content, tmp_path: Path
    ) -> None:
        small_model(values={"hierarchical": False}).export(tmp_path / "model")
        assert predict(tmp_path / "model", content, "--split", "test").code == 0
        table = pq.read_table(tmp_path / "out.parquet").to_pydict()
        assert table["text"] == table["audio"] == table["vision"] == [None] * 12

    def test_sequences_longer_than_the_model_knows_are_cut(
        self, predict: Callable[..., Command], content: Content, model: Path, tmp_path: Path
    ) -> None:
        del content["train"], content["valid"]
        predict(model, content)
        expected = pq.read_table(tmp_path / "out.parquet").to_pydict()["sentiment"]
        test = content["test"]
        for key in ("audio", "vision"):
            test[key] = np.concatenate([test[key], test[key][:, :20]], axis=1)
        longer = predict(model, content)
        assert longer.code == 0
        found = pq.read_table(tmp_path / "out.parquet").to_pydict()["sentiment"]
        assert found != expected, "steps follow where padding was"
        assert np.isfinite(found).all()


class TestRefusals:
    def refused(self, done: Command, sentence: str) -> None:
        assert (done.code, done.out) == (2, "")
        assert done.err.count("\n") == 1
        assert sentence in done.err

    def test_models(
        self, predict: Callable[..., Command], content: Content, tmp_path: Path
    ) -> None:
        self.refused(predict(tmp_path / "nowhere", content), "there is no folder")
        self.refused(predict(tmp_path, content), "holds no model: there is no card.json")

    def test_files(self, predict: Callable[..., Command], content: Content, model: Path) -> None:
        test = content["test"]
        for given, sentence in [
            ({"test": {**test, "audio": test["audio"][:, :, :3]}}, "test/audio has width 3 where"),
            ({"test": {**test, "text": test["text"][:, :, :3]}}, "test/text has width 3 where the"),
            ({"dev": test}, "there is none of the splits train, valid, test; there are: dev"),
            ([1, 2], "aligned_50.pkl cannot be used: the file holds a list"),
            ({"test": {"id": ["a"]}}, "test/raw_text is missing"),
            ({"test": {**test, "text": np.full_like(test["text"], np.nan)}}, "are not finite"),
            (Path("x"), "aligned_50.pkl is refused: it would call pathlib"),
        ]:
            self.refused(predict(model, given), sentence)
        self.refused(
            predict(model, {"test": test}, "--split", "train"), "has no split train; there are: te"
        )
        self.refused(predict(model, content, "--split", "dev"), "argument --split: invalid choice")
        self.refused(predict(model, content, "--source", "nowhere.pkl"), "nowhere.pkl cannot be re")
        self.refused(
            predict(model, content, "--source", model / "config.yaml"),
            "config.yaml is not a complete pickle file",
        )

    def test_outputs(
        self, predict: Callable[..., Command], content: Content, model: Path, tmp_path: Path
    ) -> None:
        for output, sentence in [
            (tmp_path, "is a folder; --output takes a file"),
            (tmp_path / "nowhere" / "out.parquet", "there is no folder"),
            (tmp_path / "aligned_50.pkl", "is the source itself"),
        ]:
            self.refused(predict(model, content, "--output", output), sentence)

    def test_an_output_that_cannot_be_written_leaves_the_former(
        self,
        predict: Callable[..., Command],
        content: Content,
        model: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert predict(model, content).code == 0
        former = (tmp_path / "out.parquet").read_bytes()

        def full(_table: object, path: Path) -> None:
            path.write_bytes(b"PAR1")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("dlf.predict.pq.write_table", full)
        self.refused(
            predict(model, content),
            "out.parquet cannot be written (No space left on device); choose another --output",
        )
        assert (tmp_path / "out.parquet").read_bytes() == former
        assert {file.name for file in tmp_path.iterdir()} == {
            "model",
            "aligned_50.pkl",
            "out.parquet",
        }


def test_neither_mlflow_nor_ray_nor_optuna_is_needed(
    content: Content, tiny_encoder: Encoder, tmp_path: Path
) -> None:
    small_model(TextSource(way="frozen", encoder=tiny_encoder)).export(tmp_path / "model")
    (tmp_path / "test.pkl").write_bytes(pickle.dumps({"test": content["test"]}))
    code = (
        "import runpy, sys\n"
        "sys.modules.update(dict.fromkeys(['mlflow', 'ray', 'optuna']))\n"
        "runpy.run_module('dlf.predict', run_name='__main__', alter_sys=True)\n"
    )
    flags = {"--model": "model", "--source": "test.pkl", "--output": "out.parquet"}
    done = subprocess.run(
        [sys.executable, "-c", code, *(word for flag in flags.items() for word in flag)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "predicted test 12 clips; written to out.parquet\n"
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 12


@pytest.mark.slow
def test_the_real_transcripts_are_predicted_as_at_a_promotion(
    predict: Callable[..., Command], real_mosi: Path, minilm: Encoder, tmp_path: Path
) -> None:
    data, text = tmp_path / "data", TextSource(way="frozen", encoder=minilm)
    manifest = import_file("mosi", real_mosi, data)
    widths = manifest.widths.model_copy(update={"text": minilm.width})
    small_model(text, widths=widths).export(tmp_path / "model")
    content = pickle.loads(real_mosi.read_bytes())
    done = predict(tmp_path / "model", {"test": content["test"]})
    assert (done.code, done.err) == (0, "")
    train, test = open_split("mosi", data, "train"), open_test_split("mosi", data)
    prepare_text(text, "mosi", data, [train, test])
    opened = open_text(text, "mosi", data, test)
    assert_table(tmp_path / "out.parquet", tmp_path / "model", {"test": opened})
