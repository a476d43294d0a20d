"""A command line of `python -m dlf.train`, and the command itself."""

from pathlib import Path

import pytest

from dlf import train
from tests.support.commands import Command
from tests.support.searches import run_here
from tests.support.train_command import CONFIG, EPOCHS, TrainCommand


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "best.yaml"
    file.write_text(CONFIG.to_yaml(), encoding="utf-8")
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
