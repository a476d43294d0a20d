"""Models out of what trainings have left: the weights of the best epoch, with their card."""

from typing import Any

from dlf.config import Config
from dlf.modalities import InputSizes
from dlf.trained_model import TrainedModel
from dlf.training.best_model import best_model
from dlf.training.training import EpochRecord
from search.trial.data import TrialData


def best_replicate(state: dict[str, Any]) -> int:
    """Return which of the seeds of a checkpoint reached the lowest validation MAE."""
    reached = [each["history"][-1]["best_mae"] for each in state["replicates"]]
    return reached.index(min(reached))


def model_of(
    state: dict[str, Any], config: Config, data: TrialData, sizes: InputSizes
) -> TrainedModel:
    """Return the model of one seed, from its part of a checkpoint."""
    return best_model(
        config,
        state["best_weights"],
        [EpochRecord.model_validate(record) for record in state["history"]],
        seed=state["seed"],
        sizes=sizes,
        dataset=data.dataset,
        dataset_digest=data.dataset_digest,
        text=data.text,
    )
