"""Keeps what is worth keeping of a trial before its checkpoint goes: predictions, and best models.

It is a recorder that is told before those who send such files anywhere.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from statistics import fmean

import numpy as np
import optuna
from pydantic import BaseModel, ConfigDict

from dlf.command import one_line
from dlf.config import Config
from dlf.data import Split, open_split, read_manifest
from dlf.metrics import BEST_OBJECTIVE
from dlf.trained_model import CARD_FILE, WEIGHTS_FILE, ModelCard
from search.study.identity import StudyIdentity
from search.study.records import last_value, outcome_of, own_trials
from search.trial.checkpoints import Checkpoints, DamagedCheckpointError
from search.trial.data import TrialData
from search.trial.trained import best_replicate, model_of
from tracking.predictions import Predictions, write_predictions
from tracking.recorder import Recorder
from tracking.records import Outcome, Summary, TrialFacts, TrialRecord, TrialState
from tracking.study_files import MODELS_FOLDER, StudyFiles

MAE_TOLERANCE = 1e-4
"""between the MAE of predictions and the one that was reported for them"""


class StaleCheckpointError(Exception):
    """A checkpoint is not of the epoch that was reported last; the message says how."""


class EndedTrial(BaseModel):
    """A trial that trained an epoch at least, and ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    config: Config
    outcome: Outcome
    value: float
    """the best validation MAE that it reported"""


class KeptResults(Recorder):
    """Keeps the predictions of every trial, and the models of the best complete ones.

    What cannot be kept, for want of space perhaps, costs the search nothing: `tell` is told.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        files: StudyFiles,
        data: TrialData,
        *,
        models: int,
        values: Mapping[int, float] = {},
        reached: Mapping[int, float] = {},
        models_changed: Callable[[Sequence[int]], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Go on with the files that an earlier process has left; keep so many models.

        Args:
            checkpoints: of the trials.
            files: of the study.
            data: of the trials.
            models: how many.
            values: the validation MAEs of the trials that are complete already, by number.
            reached: the same of those that were left under way.
            models_changed: hears of which trials there are models.
            tell: hears what could not be kept.
        """
        self._checkpoints = checkpoints
        self._files = files
        self._data = data
        self._models = models
        self._models_changed = models_changed
        self._tell = tell
        self._under_way: dict[int, TrialRecord] = {}
        self._reached = dict(reached)
        """the best validation MAE of every trial under way"""
        _remove_leftovers(files)
        self._kept = _kept_before(files, values)

    def start_trial(self, trial: TrialRecord) -> None:
        """Remember its configuration."""
        self._under_way[trial.number] = trial

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Remember how good it is."""
        if BEST_OBJECTIVE in metrics:
            self._reached[number] = metrics[BEST_OBJECTIVE]

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Keep nothing of them."""

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Keep what the trial has left."""
        trial = self._under_way.pop(number, None)
        value = self._reached.pop(number, None)
        if trial is None or value is None:
            return
        config = Config.from_yaml(trial.config_yaml)
        ended = EndedTrial(number=number, config=config, outcome=outcome, value=value)
        self._attempt(self._keep_predictions, ended)
        self._attempt(self._keep_if_good, ended)

    def keep_left_behind(self, study: optuna.Study, identity: StudyIdentity) -> None:
        """Keep what is missing of the trials whose end was told to the study and to nobody else.

        They are those that ended and whose checkpoints are still there.
        """
        ended = list(_ended_trials(study, identity, self._checkpoints))
        for trial in ended:
            if not self._files.predictions(trial.number).exists():
                self._attempt(self._keep_predictions, trial)
            if trial.number not in self._kept:
                self._attempt(self._keep_if_good, trial)
        if ended and self._kept:
            self._keep_the_best()

    def finish(self, summary: Summary) -> None:
        """Nothing is left to do."""

    @cached_property
    def _valid(self) -> Split:
        return open_split(self._data.dataset, self._data.data_dir, "valid")

    def _attempt(self, keep: Callable[[EndedTrial], None], trial: EndedTrial) -> None:
        try:
            keep(trial)
        except (OSError, DamagedCheckpointError, StaleCheckpointError) as error:
            self._tell(f"a part of trial {trial.number} could not be kept: {one_line(error)}")

    def _keep_predictions(self, trial: EndedTrial) -> None:
        of_seeds = self._checkpoints.read_predictions(trial.number)
        if of_seeds is None:
            return
        labels = self._valid.labels
        if of_seeds.shape[1] != len(labels):
            raise StaleCheckpointError("its predictions are not of these clips")
        mae = fmean(float(np.abs(row - labels).mean()) for row in of_seeds)
        if not abs(mae - trial.value) <= MAE_TOLERANCE:
            raise StaleCheckpointError(
                f"its predictions have a validation MAE of {mae:.4f} where {trial.value:.4f} was "
                "reported"
            )
        several = {f"replicate_{i}": row for i, row in enumerate(of_seeds)}
        file = self._files.predictions(trial.number)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(
            file,
            Predictions(
                ids=self._valid.ids,
                labels=labels,
                prediction=of_seeds.mean(axis=0),
                others=several if len(of_seeds) > 1 else {},
            ),
        )

    def _keep_if_good(self, trial: EndedTrial) -> None:
        """Keep the model of a complete trial that is among the best, in place of the worst."""
        if trial.outcome.state is not TrialState.COMPLETE:
            return
        if sum(other <= trial.value for other in self._kept.values()) >= self._models:
            return
        state = self._checkpoints.read(trial.number)
        if state is None:
            return
        # Both come from the same record, so that nothing but another epoch makes them differ.
        reached = state["history"][-1]["best_mae"]
        if reached != trial.value:
            raise StaleCheckpointError(
                f"its checkpoint has a validation MAE of {reached:.4f} where {trial.value:.4f} was "
                "reported"
            )
        sizes = self._data.sizes(
            read_manifest(self._data.dataset, self._data.data_dir), trial.config
        )
        best = best_replicate(state)
        model = model_of(state["replicates"][best], trial.config, self._data, sizes)
        model.save(self._files.model(trial.number))
        self._kept[trial.number] = trial.value
        self._keep_the_best()

    def _keep_the_best(self) -> None:
        """Remove the models that are too many, and tell which ones are kept."""
        ranked = sorted(self._kept, key=lambda number: (self._kept[number], number))
        for number in ranked[self._models :]:
            del self._kept[number]
            shutil.rmtree(self._files.model(number), ignore_errors=True)
        self._models_changed(sorted(self._kept))


def _ended_trials(
    study: optuna.Study, identity: StudyIdentity, checkpoints: Checkpoints
) -> Iterator[EndedTrial]:
    """Give the ended trials of a study that have a checkpoint still."""
    left = checkpoints.numbers()
    for trial in own_trials(study):
        outcome, value = outcome_of(trial), last_value(trial)
        if outcome is not None and value is not None and trial.number in left:
            config = identity.config_of(trial.number, trial.params)
            yield EndedTrial(number=trial.number, config=config, outcome=outcome, value=value)


def _remove_leftovers(files: StudyFiles) -> None:
    """Remove what a process that was killed while it wrote a model has left of it."""
    for folder in files.folder.glob(f"{MODELS_FOLDER}/trial-*.*"):
        shutil.rmtree(folder, ignore_errors=True)


def _kept_before(files: StudyFiles, values: Mapping[int, float]) -> dict[int, float]:
    """Return the trials whose models are there already, with their validation MAEs."""
    kept = {}
    for number, folder in files.all_models().items():
        try:
            ModelCard.model_validate_json((folder / CARD_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if number in values and (folder / WEIGHTS_FILE).is_file():
            kept[number] = values[number]
    return kept
