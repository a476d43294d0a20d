"""How `python -m dlf.train` ends when something goes wrong, and what it refuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dlf.data.synthetic import LEXICON
from dlf.trained_model import TrainedModel
from dlf.training.training import EpochRecord, NonFiniteError, Training
from tests.support.commands import ROOT
from tests.support.encoders import save_tiny_encoder
from tests.support.searches import wait_until
from tests.support.train_command import CONFIG, TrainCommand, assert_refused, result_of


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
        config_file.write_text(CONFIG.with_values({"learning_rate": 1e30}).to_yaml())
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
        assert TrainedModel.load(folders[-1]).config == CONFIG


class TestBadInput:
    @pytest.mark.parametrize(
        ("more", "complaint"),
        [
            (["--config", "nowhere.yaml"], "there is no file nowhere.yaml; --config takes"),
            (["--config", "."], "is a folder; name the file in it"),
            (["--dataset", "mosi"], "mosi is not stored in"),
            (["--dataset", "MELD"], "'MELD' is no name of a dataset"),
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
        config_file.write_text(CONFIG.with_values({"text_frozen_layers": 9}).to_yaml())
        done = trained("--text", "finetune", "--text-encoder", encoder, "--json")
        assert done.code == 2
        assert done.err.splitlines()[1:] == [
            "text_frozen_layers is 9 where the text encoder has 2 layers"
        ]
