"""Trainings that have ended, a file of each, so that what was trained is not trained again."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlf.training.training import EpochRecord
from dlf.whole_file import replaced_whole
from tracking.records import Outcome, TrialState


class EndedTraining(BaseModel):
    """One configuration on one seed, and what it came to."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    number: int
    entrant: int
    """whose configuration it is, by the number of that"""
    seed: int
    outcome: Outcome
    history: tuple[EpochRecord, ...]
    predictions: tuple[float, ...] = Field(repr=False)
    """of the validation clips, by the best weights; none where nothing is held out"""
    notes: tuple[str, ...] = ()
    """what befell it"""

    @property
    def complete(self) -> bool:
        """Whether it came to its own end."""
        return self.outcome.state is TrialState.COMPLETE

    @property
    def best_mae(self) -> float:
        """The lowest validation MAE."""
        return self.history[-1].best_mae

    def errors(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the absolute error [N] of every validation clip."""
        errors: NDArray[np.float32] = np.abs(np.array(self.predictions, np.float32) - labels)
        return errors


class EndedTrainings(BaseModel):
    """The folder in which they are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path

    def keep(self, training: EndedTraining) -> None:
        """Write one, as a whole.

        Raises:
            OSError: when it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with replaced_whole(self.folder / f"training-{training.number}.json") as unfinished:
            unfinished.write_text(training.model_dump_json(), encoding="utf-8")

    def read(self) -> dict[int, EndedTraining]:
        """Return all that are there, by number; what cannot be read was not kept."""
        found = {}
        for file in self.folder.glob("training-*.json"):
            try:
                training = EndedTraining.model_validate_json(file.read_bytes())
            except (OSError, ValidationError):
                continue
            found[training.number] = training
        return found
