"""The final trainings of a promotion, whose models are kept: the winner's and the paper's."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median_low
from typing import Any

from safetensors import SafetensorError

from dlf.command import BadInputError, WorkFailedError, one_line
from dlf.data import read_manifest
from dlf.trained_model import TrainedModel
from search.seeded.ended_trainings import EndedTraining, EndedTrainings
from search.seeded.seeded_trainings import Entrant, SeededTrainings
from search.trial.checkpoints import Checkpoints
from search.trial.data import TrialData
from search.trial.seeds import final_seed
from search.trial.trained import model_of
from tracking.study_files import StudyFiles

DAMAGE_OF_MODELS = (OSError, ValueError, RuntimeError, SafetensorError, BadInputError)
"""what reading a model's folder raises of which files are gone, cut off or overwritten"""


class Finals(SeededTrainings):
    """Trains the winner, and whom it is held against, on further seeds, and keeps their models."""

    def __init__(
        self,
        entrants: Sequence[Entrant],
        seeds: int,
        data: TrialData,
        folder: Path,
        *,
        kept: EndedTrainings,
        checkpoints: Checkpoints,
        first_number: int,
    ) -> None:
        """Begin, or go on; models lie in the folder of the promotion. See `SeededTrainings`."""
        super().__init__(
            entrants,
            [final_seed(index) for index in range(seeds)],
            kept=kept,
            checkpoints=checkpoints,
            first_number=first_number,
            word="final seed",
        )
        self._data = data
        self._files = StudyFiles(folder)

    def refuse_failures(self) -> None:
        """Raise `WorkFailedError` when a training failed: its configuration has no verdict then."""
        if self.failures:
            number, reason = min(self.failures.items())
            name = next(each.name for each in self.entrants if each.number == number)
            raise WorkFailedError(
                f"a final training of {name} failed, {reason}; the test split was not opened, and "
                "--resume trains it again"
            )

    def models_of(self, entrant: Entrant) -> list[TrainedModel]:
        """Return an entrant's models, in the order of the seeds.

        Raises:
            WorkFailedError: when one of them is gone or damaged.
        """
        numbers = [self.number_of(entrant, index) for index in range(len(self.seeds))]
        folders = [self._files.model(number) for number in numbers]
        try:
            return [TrainedModel.load(folder) for folder in folders]
        except DAMAGE_OF_MODELS as error:
            raise WorkFailedError(
                f"a model of {entrant.name} cannot be read again ({one_line(error)}); promote again"
            ) from error

    def _keep_model(self, number: int, entrant: Entrant, state: dict[str, Any]) -> None:
        data = self._data
        sizes = data.sizes(read_manifest(data.dataset, data.data_dir), entrant.config)
        (only,) = state["replicates"]
        model_of(only, entrant.config, data, sizes).save(self._files.model(number))


def refitted(entrant: Entrant, trainings: Sequence[EndedTraining]) -> Entrant:
    """Return an entrant that trains on train and valid as it did in the race.

    For as many epochs as the median of its trainings in the race was best after, and at the
    learning rates of that one.
    """
    best = sorted(trainings, key=lambda training: training.history[-1].best_epoch)
    epochs = median_low([training.history[-1].best_epoch for training in best])
    example = next(each for each in best if each.history[-1].best_epoch == epochs)
    rates = tuple(record.learning_rate for record in example.history[:epochs])
    return entrant.model_copy(update={"max_epochs": epochs, "learning_rates": rates})
