"""DLF as a Ray Tune trainable: a step is an epoch, and a worker trains one trial after another.

Nothing here imports Optuna or MLflow: a worker trains and reports, the driver does the rest.
"""

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from ray import tune

from dlf.allocator import keep_freed_memory
from dlf.data import seal_test_split
from dlf.text.finetuned import pretrained_encoder
from dlf.training import EpochRecord, Training
from search.resources import Resources
from search.trial_data import OpenedData, TrialData
from search.trials import TrialPlan

CHECKPOINT_FILE = "training.pt"
PLAN, WORKPLACE, RECORD = "plan", "workplace", "record"
OBJECTIVE = "valid/best_mae"


class Workplace(BaseModel):
    """What all trials of a run share: their data and their part of the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: TrialData
    max_epochs: int
    resources: Resources


class DLFTrainable(tune.Trainable):
    """Trains the plan it is given, an epoch at a time."""

    def setup(self, config: dict[str, Any], carried: OpenedData | None = None) -> None:
        """Open the data, unless it was carried here, and begin the first trial of this worker."""
        workplace = Workplace.model_validate_json(config[WORKPLACE])
        seal_test_split()
        keep_freed_memory()
        resources = workplace.resources
        torch.set_num_threads(max(1, int(resources.cpus_per_trial)))
        if 0 < resources.gpus_per_trial < 1:
            torch.cuda.set_per_process_memory_fraction(resources.gpus_per_trial)
        self._data = carried or workplace.data.open()
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in the same process, after the former has left the memory."""
        del self._training
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch and report its record."""
        record = self._training.train_epoch()
        return {
            RECORD: record.model_dump_json(),
            OBJECTIVE: record.best_mae,
            "done": record.finished,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the whole state of the training, at once or not at all."""
        path = Path(checkpoint_dir) / CHECKPOINT_FILE
        unfinished = path.with_suffix(".unfinished")
        torch.save(self._training.state(), unfinished)
        unfinished.replace(path)

    def load_checkpoint(self, checkpoint_dir: str) -> None:  # type: ignore[override,unused-ignore]
        """Go on from a state that `save_checkpoint` wrote."""
        self._training.restore(read_checkpoint(Path(checkpoint_dir)))

    def _begin(self, config: dict[str, Any]) -> None:
        workplace = Workplace.model_validate_json(config[WORKPLACE])
        plan = TrialPlan.model_validate_json(config[PLAN])
        self._training = Training(
            plan.config,
            workplace.data.sizes(self._data.manifest, plan.config),
            self._data.train,
            self._data.valid,
            seed=plan.seed,
            max_epochs=workplace.max_epochs,
            device=workplace.resources.device,
            text_encoder=pretrained_encoder(workplace.data.text, plan.config.finetuning),
        )


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read the state that a trial saved into `folder`."""
    path = folder / CHECKPOINT_FILE
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state


def record_of(result: dict[str, Any]) -> EpochRecord:
    """Read the epoch's record out of a result that Tune passes on."""
    return EpochRecord.model_validate_json(result[RECORD])
