"""DLF as a Ray Tune trainable: a step is an epoch, and a worker trains one trial after another.

Nothing here imports Optuna or MLflow: a worker trains and reports, the driver does the rest.
"""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from ray import tune

from dlf.command import one_line
from dlf.data import joined, seal_test_split
from dlf.metrics import BEST_OBJECTIVE
from dlf.text.finetuned import pretrained_encoder
from dlf.training.allocator import keep_freed_memory
from dlf.training.replicates import Replicates
from dlf.training.training import EpochRecord, Training
from search.engine.watchdog import stack_file, watched
from search.engine.worker_facts import TrialMeter
from search.resources.allotment import Resources
from search.resources.gpu_memory import limit_memory
from search.trial.checkpoints import Checkpoints, DamagedCheckpointError
from search.trial.data import OpenedData, TrialData
from search.trial.plan import TrialPlan
from tracking.records import TrialFacts

PLAN = "plan"
RECORD, NOTES, FACTS = "record", "notes", "facts"


class Workplace(BaseModel):
    """What all trials of a run share: their data, their part of the machine, their checkpoints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: TrialData
    resources: Resources
    checkpoints: Checkpoints
    trial_timeout: float | None = None
    """seconds within which a trial must report an epoch; none: it may take for ever"""


class DLFTrainable(tune.Trainable):
    """Trains the plan it is given, an epoch at a time."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], workplace: Workplace, carried: OpenedData | None = None
    ) -> None:
        """Open the data, unless it was carried here, and begin the first trial of this worker.

        Tune gives what is beside the configuration, by its `with_parameters`.
        """
        seal_test_split()
        keep_freed_memory()
        resources = workplace.resources
        torch.set_num_threads(max(1, int(resources.cpus_per_trial)))
        limit_memory(resources.gpus_per_trial)
        self._workplace = workplace
        self._carried = carried
        self._data: OpenedData | None = None
        self._notes: list[str] = []
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in the same process, after the former has left the memory."""
        del self._training
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch, keep the state and report the record.

        A trial that goes on from its checkpoint first reports again what that has, since a report
        may have been lost that the checkpoint was written for.
        """
        history = self._training.history
        if self._reported == len(history):
            with self._watched():
                self._training.train_epoch()
                self._keep()
        record = history[self._reported]
        self._reported += 1
        result = {
            RECORD: record.model_dump_json(),
            NOTES: [*self._notes],
            FACTS: self._meter.facts_of(self._training, self._clips).model_dump_json(),
            BEST_OBJECTIVE: record.best_mae,
            "done": record.finished,
        }
        self._notes.clear()
        return result

    def _begin(self, config: dict[str, Any]) -> None:
        self._plan = TrialPlan.model_validate_json(config[PLAN])
        self._reported = 0
        self._notes.clear()
        self._kept = True
        with self._watched():
            self._meter = TrialMeter(self._workplace.resources)
            data = self._data = self._data or self._carried or self._workplace.data.open()
            self._clips = len(data.train) + (len(data.valid) if self._plan.learning_rates else 0)
            self._training = Replicates(
                [self._new_training(seed, data) for seed in self._plan.seeds]
            )
            if self._plan.begun:
                self._restore()

    def _watched(self) -> AbstractContextManager[None]:
        workplace = self._workplace
        return watched(
            workplace.trial_timeout, stack_file(workplace.checkpoints, self._plan.number)
        )

    def _new_training(self, seed: int, data: OpenedData) -> Training:
        workplace, plan = self._workplace, self._plan
        refit = bool(plan.learning_rates)
        return Training(
            plan.config,
            workplace.data.sizes(data.manifest, plan.config),
            joined(data.train, data.valid) if refit else data.train,
            None if refit else data.valid,
            seed=seed,
            max_epochs=plan.max_epochs,
            device=workplace.resources.device,
            text_encoder=pretrained_encoder(workplace.data.text, plan.config.finetuning),
            learning_rates=plan.learning_rates,
        )

    def _restore(self) -> None:
        """Go on from the checkpoint of the trial, if it has one."""
        try:
            state = self._workplace.checkpoints.read_patiently(self._plan.number)
        except DamagedCheckpointError as error:
            self._notes.append(f"trained again from the start: {one_line(error)}")
            return
        if state is None:
            return
        self._training.restore(state)
        try:
            # A kill between the two files of a checkpoint leaves older predictions beside it.
            self._write_predictions()
        except OSError as error:
            self._notes.append(f"its predictions could not be written: {one_line(error)}")

    def _keep(self) -> None:
        """Write the checkpoint; a trial that cannot have one is trained all the same."""
        try:
            self._workplace.checkpoints.write(self._plan.number, self._training.state())
            self._write_predictions()
            self._kept = True
        except OSError as error:
            if self._kept:
                epoch = self._training.history[-1].epoch
                self._notes.append(f"no checkpoint from epoch {epoch} on: {one_line(error)}")
            self._kept = False

    def _write_predictions(self) -> None:
        of_seeds = np.stack([training.best_predictions for training in self._training.trainings])
        self._workplace.checkpoints.write_predictions(self._plan.number, of_seeds)


def record_of(result: dict[str, Any]) -> EpochRecord:
    """Read the epoch's record out of a result that Tune passes on."""
    return EpochRecord.model_validate_json(result[RECORD])


def facts_of(result: dict[str, Any]) -> TrialFacts:
    """Read what the trial took so far out of a result that Tune passes on."""
    return TrialFacts.model_validate_json(result[FACTS])
