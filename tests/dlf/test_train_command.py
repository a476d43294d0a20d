"""`python -m dlf.train`: what it prints and keeps, how it ends, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch

from dlf import train
from dlf.batching import Clips
from dlf.config import Config
from dlf.configuration_file import read_configuration
from dlf.data import SealedTestSplitError, open_split, open_test_split, read_manifest
from dlf.data.synthetic import LEXICON
from dlf.inference import predict
from dlf.intervals import metric_estimates
from dlf.metrics import Metrics
from dlf.presets import preset
from dlf.text.sizes import input_sizes
from dlf.text.source import TextSource
from dlf.trained_model import TrainedModel
from dlf.training import EpochRecord, NonFiniteError, Training
from tests.support.commands import ROOT, Command
from tests.support.encoders import save_tiny_encoder
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.searches import run_here, wait_until

SMALL = Config().with_values(
    {
        "width": 8,
        "heads": 2,
        "encoder_layers": 1,
        "attractor_layers": 1,
        "memory_layers": 1,
        "accumulation": 1,
        "learning_rate": 3e-3,
        "patience": 2,
    }
)
EPOCHS = 4

TrainCommand = Callable[..., Command]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "best.yaml"
    file.write_text(SMALL.to_yaml(), encoding="utf-8")
    return file


@pytest.fixture
def words(config_file: Path, tiny_data: Path, tmp_path: Path) -> list[str]:
    """A command line that trains the small configuration."""
    flags = {
        "--config": config_file,
        "--dataset": "synthetic",
        "--data-dir": tiny_data,
        "--max-epochs": EPOCHS,
        "--device": "cpu",
        "--output": tmp_path / "trained",
    }
    return [str(word) for flag in flags.items() for word in flag]


@pytest.fixture
def trained(words: list[str]) -> TrainCommand:
    """Run the command here; a flag that is given again replaces the former."""

    def run(*more: str | int | Path) -> Command:
        return run_here(train.main, "train", *words, *map(str, more))

    return run


def training_on(data_dir: Path, seed: int) -> Training:
    """Return a training as it is without the command, come to its end."""
    text = TextSource(way="precomputed")
    sizes = input_sizes(read_manifest("synthetic", data_dir), text, SMALL.data)
    splits = (open_split("synthetic", data_dir, name) for name in ("train", "valid"))
    training = Training(SMALL, sizes, *splits, seed=seed, max_epochs=EPOCHS)
    list(training.epochs())
    return training


def best_of(training: Training) -> EpochRecord:
    return training.history[training.history[-1].best_epoch - 1]


def result_of(done: Command) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return result


class TestWhatComesOfIt:
    def test_the_figures_are_those_of_the_trainings(
        self, trained: TrainCommand, tiny_data: Path, tmp_path: Path
    ) -> None:
        done = trained("--seeds", 2, "--first-seed", 3, "--json")
        assert (done.code, done.err) == (0, "")
        assert len(done.out.splitlines()) == 1
        result = result_of(done)
        alone = [training_on(tiny_data, seed) for seed in (3, 4)]
        best = [best_of(training) for training in alone]
        assert [(each["seed"], each["epoch"]) for each in result["seeds"]] == [
            (training.seed, record.epoch) for training, record in zip(alone, best, strict=True)
        ]
        assert [Metrics(**each["valid"]) for each in result["seeds"]] == [r.valid for r in best]
        for name, mean in result["valid"].items():
            assert mean == pytest.approx(fmean(getattr(record.valid, name) for record in best))

        labels = open_split("synthetic", tiny_data, "valid").labels
        estimates = metric_estimates([training.best_predictions for training in alone], labels)
        assert result["intervals"] == {
            name: [interval.low, interval.high] for name, interval in estimates.intervals.items()
        }
        assert result["failed"] == []
        assert result["output"] == str(tmp_path / "trained")

    def test_every_model_is_kept_as_of_its_best_epoch(
        self, trained: TrainCommand, tiny_data: Path
    ) -> None:
        valid = open_split("synthetic", tiny_data, "valid")
        for each in result_of(trained("--seeds", 2, "--json"))["seeds"]:
            model = TrainedModel.load(Path(each["model"]))
            training = training_on(tiny_data, each["seed"])
            assert model.config == SMALL
            assert model.card.seed == each["seed"]
            assert model.card.epoch == each["epoch"]
            assert model.card.valid == Metrics(**each["valid"])
            assert model.card.dataset_digest == read_manifest("synthetic", tiny_data).digest
            clips = Clips(valid, model.card.sizes, model.config, "cpu")
            said = predict(model.model, clips, model.config)
            np.testing.assert_allclose(said, training.best_predictions, atol=1e-6)

    def test_people_read_a_table(self, trained: TrainCommand, tiny_data: Path) -> None:
        done = trained("--seeds", 2)
        assert done.code == 0
        lines = done.out.splitlines()
        assert lines[0].startswith("text precomputed: ")
        rows = {line[:10].strip(): line[10:].split() for line in lines[1:7]}
        assert rows["seed"] == ["epoch", *Metrics.model_fields]
        trainings = [training_on(tiny_data, seed) for seed in (0, 1)]
        for training in trainings:
            best = best_of(training)
            metrics = [f"{value:.4f}" for _, value in best.valid]
            assert rows[str(training.seed)] == [str(best.epoch), *metrics]
        labels = open_split("synthetic", tiny_data, "valid").labels
        found = metric_estimates([training.best_predictions for training in trainings], labels)
        assert rows["mean"] == [f"{value:.4f}" for _, value in found.mean]
        bounds = [found.intervals[name] for name in Metrics.model_fields]
        assert rows["95% from"] == [f"{interval.low:.4f}" for interval in bounds]
        assert rows["to"] == [f"{interval.high:.4f}" for interval in bounds]
        assert lines[7] == (
            "the intervals are over 2 seeds and the 12 clips of the validation split"
        )

    def test_one_seed_says_what_its_interval_is_over(self, trained: TrainCommand) -> None:
        assert "the 12 clips of the validation split alone: one seed" in trained().out

    def test_where_nobody_watches_there_is_a_line_an_epoch(
        self, trained: TrainCommand, tiny_data: Path
    ) -> None:
        epochs = training_on(tiny_data, 0).history
        assert trained().err.splitlines() == [
            f"seed 0, epoch {record.epoch} of {EPOCHS}: "
            f"validation MAE {record.valid.mae:.4f}, best {record.best_mae:.4f}"
            for record in epochs
        ]

    def test_further_seeds_go_into_the_same_folder(
        self, trained: TrainCommand, tmp_path: Path
    ) -> None:
        assert trained().code == 0
        assert trained("--first-seed", 1).code == 0
        assert {folder.name for folder in (tmp_path / "trained").iterdir()} == {"seed-0", "seed-1"}

    def test_a_text_encoder_learns_along(self, trained: TrainCommand, tmp_path: Path) -> None:
        encoder = save_tiny_encoder(tmp_path / "encoder", tuple(word for word, _, _ in LEXICON))
        flags = ["--text", "finetune", "--text-encoder", encoder, "--max-epochs", 2]
        done = trained(*flags, "--json")
        assert done.code == 0, done.err
        assert result_of(done)["text"] == "finetune"
        model = TrainedModel.load(tmp_path / "trained" / "seed-0")
        assert model.model.text_encoder is not None
        assert model.card.text is not None
        assert model.card.text.way == "finetune"

    def test_the_test_split_is_neither_there_nor_to_be_opened(
        self,
        trained: TrainCommand,
        tiny_data: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        data = tmp_path / "data"
        shutil.copytree(tiny_data, data)
        (file,) = data.rglob("test.arrow")
        file.unlink()
        train_epoch = Training.train_epoch

        def try_to_open(training: Training) -> EpochRecord:
            with pytest.raises(SealedTestSplitError):
                open_test_split("synthetic", data)
            return train_epoch(training)

        monkeypatch.setattr(Training, "train_epoch", try_to_open)
        assert trained("--data-dir", data).code == 0


class TestOnATerminal:
    def test_a_bar_over_all_epochs_and_the_rows_above_it(
        self, words: list[str], tiny_data: Path, tmp_path: Path
    ) -> None:
        epochs = [len(training_on(tiny_data, seed).history) for seed in (0, 1, 2)]
        assert min(epochs) < EPOCHS, "one of them ends early, and the bar is full all the same"
        argv = ["train", *words, "--seeds", "3"]
        with PseudoTerminal(100) as terminal:
            terminal.run(f"import sys; sys.argv = {argv}; import torch; torch.set_num_threads(1)")
            terminal.run("from dlf.train import main; main()")
            terminal.until_shown("models: ")
            terminal.close()
        written = terminal.written.decode()
        assert f"/{3 * EPOCHS} epochs" in written
        assert f"seed 0, epoch {epochs[0]}: validation MAE" in written
        (bar,) = [line for line in terminal.lines if "epochs," in line]
        assert f"| {sum(epochs)}/{sum(epochs)} epochs" in bar
        table = [line.split()[0] for line in terminal.lines if line[:10].strip()]
        assert table[1:5] == ["seed", "0", "1", "2"]


class TestFailures:
    def test_a_seed_that_diverges_does_not_cost_the_others(
        self, trained: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train_epoch = Training.train_epoch

        def diverge(training: Training) -> EpochRecord:
            if training.seed == 1 and training.history:
                raise NonFiniteError("loss/total is nan in epoch 2, by batch 1")
            return train_epoch(training)

        monkeypatch.setattr(Training, "train_epoch", diverge)
        done = trained("--seeds", 3)
        assert done.code == 1
        assert done.err.splitlines()[-1].startswith(
            "the training on seed 1 failed: loss/total is nan in epoch 2, by batch 1; "
        )
        assert "over 2 seeds and the 12 clips of the validation split, without what" in done.out
        assert {folder.name for folder in (tmp_path / "trained").iterdir()} == {"seed-0", "seed-2"}

        result = result_of(trained("--seeds", 3, "--json", "--output", tmp_path / "again"))
        assert [each["seed"] for each in result["seeds"]] == [0, 2]
        assert [each["seed"] for each in result["failed"]] == [1]

    def test_all_seeds_may_diverge(
        self, trained: TrainCommand, config_file: Path, tmp_path: Path
    ) -> None:
        config_file.write_text(SMALL.with_values({"learning_rate": 1e30}).to_yaml())
        done = trained("--seeds", 2, "--json")
        assert done.code == 1
        assert "seed 0 failed" in done.err
        assert "seed 1 failed" in done.err
        assert len(done.err.splitlines()) == 1
        result = result_of(done)
        assert result["valid"] is None
        assert result["seeds"] == []
        assert trained("--output", tmp_path / "again").code == 1

    def test_a_model_that_cannot_be_written_ends_it(
        self, trained: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save = TrainedModel.save

        def full(model: TrainedModel, folder: Path) -> None:
            if model.card.seed == 1:
                raise OSError(28, "No space left on device")
            save(model, folder)

        monkeypatch.setattr(TrainedModel, "save", full)
        done = trained("--seeds", 3, "--json")
        assert done.code == 1
        folder = tmp_path / "trained"
        assert done.err.splitlines() == [
            f"kept: {folder / 'seed-0'}",
            f"the model of seed 1 cannot be written to {folder / 'seed-1'}: "
            "No space left on device",
        ]

    def test_too_little_memory_is_said_in_words(
        self, trained: TrainCommand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_large(_: Training) -> EpochRecord:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(Training, "train_epoch", too_large)
        done = trained()
        assert done.code == 1
        assert "kept: nothing" in done.err
        assert "lower batch_size" in done.err.splitlines()[-1]

    def test_interrupted_it_keeps_the_models_that_are_done(
        self, words: list[str], tmp_path: Path
    ) -> None:
        output = tmp_path / "trained"
        with subprocess.Popen(
            [sys.executable, "-m", "dlf.train", *words, "--seeds", "1000"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            wait_until(lambda: (output / "seed-1").is_dir() or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        kept, end = err.splitlines()[-2:]
        assert end == "interrupted"
        folders = sorted(output.iterdir(), key=lambda folder: int(folder.name[5:]))
        assert kept == f"kept: {', '.join(map(str, folders))}"
        assert TrainedModel.load(folders[-1]).config == SMALL


class TestBadInput:
    @pytest.mark.parametrize(
        ("more", "complaint"),
        [
            (["--config", "nowhere.yaml"], "there is no file nowhere.yaml; --config takes"),
            (["--config", "."], "is a folder; name the file in it"),
            (["--dataset", "mosi"], "mosi is not stored in"),
            (["--dataset", "meld"], "invalid choice: 'meld'"),
            (["--seeds", "0"], "'0' is not a whole number of at least 1"),
            (["--seeds", "2", "--first-seed", str(2**32 - 1)], "leaves no room for 2 seeds"),
            (["--text", "frozen", "--text-encoder", "./none"], "there is no folder ./none"),
            (["--text", "precomputed", "--text-encoder", "minilm"], "leave one of the two out"),
        ],
    )
    def test_it_is_refused_in_one_sentence(
        self, trained: TrainCommand, more: list[str], complaint: str
    ) -> None:
        assert_refused(trained(*more), complaint)

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"loss: {margim: 0.3}", "loss.margim"),
            (b"model: {width: 7, heads: 2}", "2 heads do not divide a width of 7"),
            (b"- 1", "is no configuration"),
            (b"a: b: c", "is no configuration: the configuration is not YAML"),
            (b"\xff\xfe\x00", "is no text file"),
        ],
    )
    def test_a_bad_configuration_is_named(
        self, trained: TrainCommand, config_file: Path, content: bytes, complaint: str
    ) -> None:
        config_file.write_bytes(content)
        done = trained()
        assert_refused(done, complaint)
        assert done.err.startswith(str(config_file))

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_gpu_that_is_not_there(self, trained: TrainCommand) -> None:
        assert_refused(trained("--device", "cuda"), "there is no GPU that torch can use")

    def test_an_output_that_is_a_file(self, trained: TrainCommand, config_file: Path) -> None:
        assert_refused(trained("--output", config_file), "is a file; --output takes a folder")

    def test_an_output_that_cannot_be_made(self, trained: TrainCommand, config_file: Path) -> None:
        assert_refused(trained("--output", config_file / "in it"), "cannot be made")

    def test_a_model_is_not_replaced(self, trained: TrainCommand, tmp_path: Path) -> None:
        assert trained("--first-seed", 1).code == 0
        before = (tmp_path / "trained/seed-1/card.json").read_text()
        assert_refused(trained("--seeds", 2, "--max-epochs", 1), "seed-1 is there already")
        assert (tmp_path / "trained/seed-1/card.json").read_text() == before

    def test_more_layers_frozen_than_there_are(
        self, trained: TrainCommand, config_file: Path, tmp_path: Path
    ) -> None:
        encoder = save_tiny_encoder(tmp_path / "encoder", tuple(word for word, _, _ in LEXICON))
        config_file.write_text(SMALL.with_values({"text_frozen_layers": 9}).to_yaml())
        done = trained("--text", "finetune", "--text-encoder", encoder, "--json")
        assert done.code == 2
        assert done.err.splitlines()[1:] == [
            "text_frozen_layers is 9 where the text encoder has 2 layers"
        ]


def assert_refused(done: Command, complaint: str) -> None:
    assert done.code == 2
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1
    assert "models: " not in done.out


@pytest.mark.parametrize("dataset", ["mosi", "mosei", "synthetic"])
def test_a_preset_is_that_of_the_dataset(dataset: str) -> None:
    assert read_configuration("paper", dataset) == preset("paper", dataset)


def test_a_file_is_read_as_it_was_written(config_file: Path) -> None:
    assert read_configuration(str(config_file), "mosei") == SMALL


def test_left_out_the_output_is_named_after_dataset_and_time(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = words.index("--output")
    done = run_here(train.main, "train", *words[:there], *words[there + 2 :])
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "trained").iterdir()
    assert folder.name.startswith("synthetic-")
    assert f"models: trained/{folder.name}/seed-0" in done.out
