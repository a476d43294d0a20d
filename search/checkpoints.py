"""The states of trials under way: a file of each, replaced as a whole after every epoch.

A trial writes it before it reports the epoch: what the search knows of is in the checkpoint.
"""

import os
import pickle
import shutil
import zlib
from collections.abc import Container
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlf.command import one_line, reason_of
from dlf.whole_file import replaced_whole

STATE_FILE = "training.pt"
PREDICTIONS_FILE = "valid_predictions.npy"
STACK_FILE = "hung.{pid}.txt"

DAMAGE = (
    *(OSError, EOFError, RuntimeError, ValueError),
    *(BadZipFile, zlib.error, pickle.UnpicklingError),
)
"""what reading a file of torch's that was cut off or overwritten raises, wherever that is"""
DAMAGE_OF_ARRAYS = (*DAMAGE, SyntaxError, TokenError, MemoryError, OverflowError, TypeError)
"""the same of numpy's, whose files begin with a line of Python"""


class DamagedCheckpointError(Exception):
    """A checkpoint is there and cannot be read; the message says how."""


class Checkpoints(BaseModel):
    """The folder in which each trial has one of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path

    def of(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.folder / f"trial-{number}"

    def stack_file(self, number: int) -> Path:
        """Return the file into which this process writes where it hangs with a trial.

        Tune sometimes begins a trial in a fresh worker that it gives up for one that came free.
        """
        return self.of(number) / STACK_FILE.format(pid=os.getpid())

    def stack(self, number: int) -> str:
        """Return what was written where a trial hung; nothing of one that did not."""
        files = sorted(self.of(number).glob(STACK_FILE.format(pid="*")))
        return next((stack for file in files if (stack := file.read_text("utf-8"))), "")

    def write(self, number: int, state: dict[str, Any]) -> None:
        """Replace the state of a trial.

        Raises:
            OSError: when it cannot be written; the former state is still there.
        """
        path = self.of(number) / STATE_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A worker whose driver was killed may still be at it when another one begins.
            with replaced_whole(path) as unfinished, unfinished.open("wb") as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:
            raise OSError(f"the checkpoint {path} cannot be written: {_words_of(error)}") from error

    def write_predictions(self, number: int, predictions: NDArray[np.float32]) -> None:
        """Replace what a trial's best weights predict, [seeds, clips]; `write` has been called.

        Raises:
            OSError: when it cannot be written; the former predictions are still there.
        """
        path = self.of(number) / PREDICTIONS_FILE
        with replaced_whole(path) as unfinished, unfinished.open("wb") as file:
            np.save(file, predictions)

    def read_predictions(self, number: int) -> NDArray[np.float32] | None:
        """Return what a trial's best weights predict, [seeds, clips]; none where nothing is left.

        Raises:
            DamagedCheckpointError: when its file is not what was written.
        """
        path = self.of(number) / PREDICTIONS_FILE
        if not path.exists():
            return None
        try:
            with path.open("rb") as file:
                predictions: NDArray[np.float32] = np.lib.format.read_array(file)
        except DAMAGE_OF_ARRAYS as error:
            raise DamagedCheckpointError(f"{path} cannot be read: {one_line(error)}") from error
        if predictions.ndim != 2 or predictions.dtype != np.float32:
            raise DamagedCheckpointError(f"{path} has no predictions")
        return predictions

    def read(self, number: int) -> dict[str, Any] | None:
        """Return the last state of a trial, or none where it has none.

        Raises:
            DamagedCheckpointError: when its file is not what was written.
        """
        path = self.of(number) / STATE_FILE
        if not path.exists():
            return None
        try:
            with ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise DamagedCheckpointError(f"{path} is damaged at {damaged}")
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        except DAMAGE as error:
            raise DamagedCheckpointError(f"{path} cannot be read: {error}") from error
        return state

    def discard(self, number: int) -> None:
        """Remove what a trial has left."""
        shutil.rmtree(self.of(number), ignore_errors=True)

    def discard_all_but(self, numbers: Container[int]) -> None:
        """Remove what is left of all other trials than these."""
        for folder in self.folder.glob("trial-*"):
            number = folder.name.removeprefix("trial-")
            if number.isdecimal() and int(number) not in numbers:
                self.discard(int(number))


def _words_of(error: BaseException) -> str:
    """Return what the system says, which torch covers with an error of its own."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    return reason_of(cause) if cause is not None else one_line(error)
