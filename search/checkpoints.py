"""The states of trials under way: a file of each, replaced as a whole after every epoch.

A trial writes it before it reports the epoch: what the search knows of is in the checkpoint.
"""

import os
import pickle
import shutil
from collections.abc import Container
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import BaseModel, ConfigDict

STATE_FILE = "training.pt"
STACK_FILE = "hung.txt"


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
        """Return the file into which a trial that hangs writes where it does."""
        return self.of(number) / STACK_FILE

    def write(self, number: int, state: dict[str, Any]) -> None:
        """Replace the state of a trial.

        Raises:
            OSError: when it cannot be written; the former state is still there.
        """
        path = self.of(number) / STATE_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        # A worker whose driver was killed may still be at it when another one begins.
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                torch.save(state, file)
            unfinished.replace(path)
        except (OSError, RuntimeError) as error:
            unfinished.unlink(missing_ok=True)
            raise OSError(f"the checkpoint {path} cannot be written: {error}") from error

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
        except (OSError, BadZipFile, RuntimeError, EOFError, pickle.UnpicklingError) as error:
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
