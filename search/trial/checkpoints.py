"""The states of trials under way: a file of each, replaced as a whole after every epoch.

A trial writes it before it reports the epoch: what the search knows of is in the checkpoint.
"""

import pickle
import zlib
from collections.abc import Container
from functools import cached_property
from pathlib import Path
from time import monotonic, sleep
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from dlf.command import one_line, reason_of
from search.trial.checkpoint_files import (
    CheckpointFiles,
    CheckpointsAwayError,
    LocalFiles,
    RemoteFiles,
)
from tracking.remote.folder import RemoteFolder

STATE_FILE = "training.pt"
PREDICTIONS_FILE = "valid_predictions.npy"
MARK_FILE = "seen_by_all.txt"

AWAY_SECONDS, RETRY_SECONDS = 600.0, 2.0
"""for how long a file system is waited for that may have a state, which must not be trained over"""

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

    folder: Path | RemoteFolder

    def write(self, number: int, state: dict[str, Any]) -> None:
        """Replace the state of a trial.

        Raises:
            OSError: when it cannot be written; the former state is still there.
        """
        name = f"{_folder_of(number)}/{STATE_FILE}"
        try:
            # A worker whose driver was killed may still be at it when another one begins.
            with self._files.replaced(name) as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:
            raise OSError(
                f"the checkpoint {self._files.shown(name)} cannot be written: {_words_of(error)}"
            ) from error

    def write_predictions(self, number: int, predictions: NDArray[np.float32]) -> None:
        """Replace what a trial's best weights predict, [seeds, clips].

        Raises:
            OSError: when it cannot be written; the former predictions are still there.
        """
        with self._files.replaced(f"{_folder_of(number)}/{PREDICTIONS_FILE}") as file:
            np.save(file, predictions)

    def read_predictions(self, number: int) -> NDArray[np.float32] | None:
        """Return what a trial's best weights predict, [seeds, clips]; none where nothing is left.

        Raises:
            DamagedCheckpointError: when its file is not what was written.
            CheckpointsAwayError: when nobody can tell, for want of an answer.
        """
        name = f"{_folder_of(number)}/{PREDICTIONS_FILE}"
        shown = self._files.shown(name)
        try:
            with self._files.opened(name) as file:
                predictions: NDArray[np.float32] = np.lib.format.read_array(file)
        except FileNotFoundError:
            return None
        except CheckpointsAwayError:
            raise
        except DAMAGE_OF_ARRAYS as error:
            raise DamagedCheckpointError(f"{shown} cannot be read: {one_line(error)}") from error
        if predictions.ndim != 2 or predictions.dtype != np.float32:
            raise DamagedCheckpointError(f"{shown} has no predictions")
        return predictions

    def read(self, number: int) -> dict[str, Any] | None:
        """Return the last state of a trial, or none where it has none.

        Raises:
            DamagedCheckpointError: when its file is not what was written.
            CheckpointsAwayError: when nobody can tell, for want of an answer.
        """
        name = f"{_folder_of(number)}/{STATE_FILE}"
        shown = self._files.shown(name)
        try:
            with self._files.opened(name) as file:
                with ZipFile(file) as archive:
                    damaged = archive.testzip()
                if damaged is not None:
                    raise DamagedCheckpointError(f"{shown} is damaged at {damaged}")
                file.seek(0)
                state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        except FileNotFoundError:
            return None
        except CheckpointsAwayError:
            raise
        except DAMAGE as error:
            raise DamagedCheckpointError(f"{shown} cannot be read: {one_line(error)}") from error
        return state

    def read_patiently(self, number: int) -> dict[str, Any] | None:
        """Read the last state of a trial, waiting for a file system that does not answer.

        Raises:
            DamagedCheckpointError: when its file is not what was written.
            CheckpointsAwayError: when nobody has answered for ten minutes.
        """
        deadline = monotonic() + AWAY_SECONDS
        while True:
            try:
                return self.read(number)
            except CheckpointsAwayError:
                if monotonic() > deadline:
                    raise
                sleep(RETRY_SECONDS)

    def numbers(self) -> set[int]:
        """Return the trials that have left something; none where nobody can tell."""
        try:
            names = [folder.removeprefix("trial-") for folder in self._files.folders()]
        except OSError:
            return set()
        return {int(name) for name in names if name.isdecimal()}

    def discard(self, number: int) -> None:
        """Remove what a trial has left."""
        self._files.discard(_folder_of(number))

    def discard_all_but(self, numbers: Container[int]) -> None:
        """Remove what is left of all other trials than these."""
        for number in self.numbers():
            if number not in numbers:
                self.discard(number)

    def leave_mark(self, token: str) -> None:
        """Leave a mark, in the place of an earlier one, by which others know this very folder.

        Raises:
            OSError: when it cannot be written.
        """
        with self._files.replaced(MARK_FILE) as file:
            file.write(token.encode())

    def has_mark(self, token: str) -> bool:
        """Return whether the mark is there, seen from this machine."""
        try:
            with self._files.opened(MARK_FILE) as file:
                return file.read() == token.encode()
        except OSError:
            return False

    @cached_property
    def _files(self) -> CheckpointFiles:
        folder = self.folder
        return RemoteFiles(folder) if isinstance(folder, RemoteFolder) else LocalFiles(folder)


def _folder_of(number: int) -> str:
    return f"trial-{number}"


def _words_of(error: BaseException) -> str:
    """Return what the system says, which torch covers with an error of its own."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    return reason_of(cause) if cause is not None else one_line(error)
