"""`python -m dlf.train` with a configuration that trains in no time, and what is asked of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlf.data import open_split, read_manifest
from dlf.text.sizes import input_sizes
from dlf.text.source import TextSource
from dlf.training.training import EpochRecord, Training
from tests.support.commands import Command
from tests.support.small_models import SMALL

CONFIG = SMALL.with_values({"accumulation": 1, "learning_rate": 3e-3, "patience": 2})
EPOCHS = 4

TrainCommand = Callable[..., Command]


def training_on(data_dir: Path, seed: int) -> Training:
    """Return a training as it is without the command, come to its end."""
    text = TextSource(way="precomputed")
    sizes = input_sizes(read_manifest("synthetic", data_dir), text, CONFIG.data)
    splits = (open_split("synthetic", data_dir, name) for name in ("train", "valid"))
    training = Training(CONFIG, sizes, *splits, seed=seed, max_epochs=EPOCHS)
    list(training.epochs())
    return training


def best_of(training: Training) -> EpochRecord:
    return training.history[training.history[-1].best_epoch - 1]


def result_of(done: Command) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return result


def assert_refused(done: Command, complaint: str) -> None:
    assert done.code == 2
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1
    assert "models: " not in done.out
