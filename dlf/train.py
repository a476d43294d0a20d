"""Train a configuration on some seeds, one after the other.

    python -m dlf.train --config paper --dataset synthetic
    python -m dlf.train --config runs/mosi-20261123-153104/best.yaml --dataset mosi --seeds 5

Prints the validation metrics of every seed, and their mean with its interval; keeps every seed's
model, of its best epoch. The test split stays shut.
"""

import sys
import time
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dlf.command import (
    EXIT_DONE,
    BadInputError,
    WorkFailedError,
    make_folder,
    one_line,
    reason_of,
    run_command,
)
from dlf.config import Config
from dlf.configuration_file import read_configuration
from dlf.data import GENERATED, open_split, prepare_dataset, seal_test_split
from dlf.text.choice import choose_text
from dlf.text.tokens import has_words
from dlf.training.allocator import keep_freed_memory
from dlf.training.request import Device, TrainRequest, read_request
from dlf.training.result import HEADING, FailedSeed, SeedResult, TrainResult
from dlf.training.training import NonFiniteError
from dlf.training.training_bar import TrainingBar
from dlf.training.training_data import TrainingData


class Trained(NamedTuple):
    """A seed that was trained to its end."""

    result: SeedResult
    predictions: NDArray[np.float32]
    """[N] of the validation split"""


def main() -> int:
    """Read the flags, train seed after seed, print what it came to."""
    started = time.monotonic()
    request = read_request()
    seal_test_split()
    config = read_configuration(request.config, request.dataset)
    device = device_of(request.device)
    request.refuse_taken()
    data = open_data(request, device)
    make_folder(request.output)
    keep_freed_memory()
    trained: list[Trained] = []
    failed: list[FailedSeed] = []
    try:
        train_seeds(request, config, data, device, trained, failed)
    except (KeyboardInterrupt, WorkFailedError):
        folders = map(request.model_folder, request.all_seeds)
        kept = ", ".join(str(folder) for folder in folders if folder.is_dir())
        print(f"kept: {kept or 'nothing, as no seed had finished'}", file=sys.stderr)
        raise
    result = TrainResult.of(
        request.dataset,
        data.text.way,
        [each.result for each in trained],
        failed,
        [each.predictions for each in trained],
        data.valid.labels,
        output=request.output,
        seconds=time.monotonic() - started,
    )
    print(result.model_dump_json() if request.json_only else result.describe())
    if failed:
        raise WorkFailedError(result.failures())
    return EXIT_DONE


def train_seeds(
    request: TrainRequest,
    config: Config,
    data: TrainingData,
    device: str,
    trained: list[Trained],
    failed: list[FailedSeed],
) -> None:
    """Train seed after seed, and add each to those that were trained, or to those that failed."""
    with TrainingBar(request.seeds, request.max_epochs, quiet=request.json_only) as bar:
        bar.say(HEADING)
        for seed in request.all_seeds:
            try:
                trained.append(train_seed(request, config, data, device, seed, bar))
                bar.say(trained[-1].result.row())
            except NonFiniteError as error:
                failed.append(FailedSeed(seed=seed, reason=one_line(error)))
                bar.say(failed[-1].row())


def train_seed(
    request: TrainRequest,
    config: Config,
    data: TrainingData,
    device: str,
    seed: int,
    bar: TrainingBar,
) -> Trained:
    """Train to the end and keep the model.

    Raises:
        NonFiniteError: when the training met a value that is not a number.
        WorkFailedError: when the model cannot be written, or the GPU has too little memory.
    """
    training = data.training(config, seed=seed, max_epochs=request.max_epochs, device=device)
    try:
        for record in training.epochs():
            bar.epoch(seed, record)
    except torch.OutOfMemoryError as error:
        raise WorkFailedError(
            "the GPU has too little memory for this training; lower batch_size in the file of "
            "--config, or take --device cpu"
        ) from error
    finally:
        bar.end(len(training.history))
    folder = request.model_folder(seed)
    model = data.best_model(training)
    try:
        model.save(folder)
    except OSError as error:
        raise WorkFailedError(
            f"the model of seed {seed} cannot be written to {folder}: {reason_of(error)}"
        ) from error
    epoch = training.history[-1].best_epoch
    result = SeedResult(seed=seed, epoch=epoch, valid=model.card.valid, model=folder)
    return Trained(result, training.best_predictions)


def device_of(wanted: Device) -> str:
    """Return the device to train on.

    Raises:
        BadInputError: when a GPU is asked for that torch cannot use.
    """
    there = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if there else "cpu"
    if wanted == "cuda" and not there:
        raise BadInputError("--device cuda: there is no GPU that torch can use; leave --device out")
    return wanted


def open_data(request: TrainRequest, device: str) -> TrainingData:
    """Prepare and open the dataset, with its text as it was asked for, and say which way that is.

    Raises:
        BadInputError: when dataset or encoder are not to be had.
        WorkFailedError: when the data folder cannot be written.
    """
    manifest = prepare_dataset(request.dataset, request.data_dir)
    choice = choose_text(
        request.text,
        request.text_encoder,
        synthetic=request.dataset == GENERATED,
        readable=has_words(open_split(request.dataset, request.data_dir, "train")),
        gpu=device == "cuda",
    )
    if not request.json_only:
        print(f"text {choice}")
    return TrainingData.open(manifest, request.data_dir, choice.source, device)


if __name__ == "__main__":
    run_command(main)
