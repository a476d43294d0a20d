"""What `python -m dlf.train` prints and keeps."""

import shutil
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from dlf import train
from dlf.configuration_file import read_configuration
from dlf.data import SealedTestSplitError, open_split, open_test_split, read_manifest
from dlf.data.synthetic import LEXICON
from dlf.intervals import metric_estimates
from dlf.metrics import Metrics
from dlf.presets import preset
from dlf.trained_model import TrainedModel
from dlf.training.batching import Clips
from dlf.training.inference import predict
from dlf.training.training import EpochRecord, Training
from tests.support.encoders import save_tiny_encoder
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.searches import run_here
from tests.support.train_command import (
    CONFIG,
    EPOCHS,
    TrainCommand,
    best_of,
    result_of,
    training_on,
)


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
            assert model.config == CONFIG
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


@pytest.mark.parametrize("dataset", ["mosi", "mosei", "synthetic"])
def test_a_preset_is_that_of_the_dataset(dataset: str) -> None:
    assert read_configuration("paper", dataset) == preset("paper", dataset)


def test_a_file_is_read_as_it_was_written(config_file: Path) -> None:
    assert read_configuration(str(config_file), "mosei") == CONFIG


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
