"""Keeps what is worth keeping of a trial before its checkpoint goes: predictions, and best models.

It is a recorder that is told before those who send such files anywhere.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from dlf.command import one_line
from dlf.config import Config
from dlf.data import Split, open_split, read_manifest
from dlf.trained_model import CARD_FILE, ModelCard
from search.checkpoints import Checkpoints, DamagedCheckpointError
from search.trained_trials import best_replicate, model_of
from search.trial_data import TrialData
from tracking.predictions import Predictions, write_predictions
from tracking.recorder import Recorder
from tracking.records import Outcome, Summary, TrialFacts, TrialRecord, TrialState
from tracking.study_files import StudyFiles


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
        models_changed: Callable[[Sequence[int]], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Go on with the files that an earlier process has left; keep so many models."""
        self._checkpoints = checkpoints
        self._files = files
        self._data = data
        self._models = models
        self._models_changed = models_changed
        self._tell = tell
        self._under_way: dict[int, TrialRecord] = {}
        self._reached: dict[int, float] = {}
        """the best validation MAE of every trial under way"""
        self._kept = _kept_before(files)

    def start_trial(self, trial: TrialRecord) -> None:
        """Remember its configuration."""
        self._under_way[trial.number] = trial

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Remember how good it is."""
        self._reached[number] = metrics["valid/best_mae"]

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Keep nothing of them."""

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Keep what the trial has left."""
        trial = self._under_way.pop(number, None)
        value = self._reached.pop(number, None)
        if trial is None or value is None:
            return
        try:
            self._keep_predictions(number)
            if outcome.state is TrialState.COMPLETE:
                self._keep_if_good(trial, value)
        except (OSError, DamagedCheckpointError) as error:
            self._tell(f"a part of trial {number} could not be kept: {one_line(error)}")

    def finish(self, summary: Summary) -> None:
        """Nothing is left to do."""

    @cached_property
    def _valid(self) -> Split:
        return open_split(self._data.dataset, self._data.data_dir, "valid")

    def _keep_predictions(self, number: int) -> None:
        of_seeds = self._checkpoints.read_predictions(number)
        if of_seeds is None:
            return
        several = {f"replicate_{i}": row for i, row in enumerate(of_seeds)}
        file = self._files.predictions(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(
            file,
            Predictions(
                ids=self._valid.ids,
                labels=self._valid.labels,
                prediction=of_seeds.mean(axis=0),
                others=several if len(of_seeds) > 1 else {},
            ),
        )

    def _keep_if_good(self, trial: TrialRecord, value: float) -> None:
        """Keep the model of a trial that is among the best, in place of the worst of them."""
        if sum(other <= value for other in self._kept.values()) >= self._models:
            return
        state = self._checkpoints.read(trial.number)
        if state is None:
            return
        config = Config.from_yaml(trial.config_yaml)
        sizes = self._data.sizes(read_manifest(self._data.dataset, self._data.data_dir), config)
        best = best_replicate(state)
        model = model_of(state["replicates"][best], config, self._data, sizes)
        model.save(self._files.model(trial.number))
        self._kept[trial.number] = value
        ranked = sorted(self._kept, key=lambda number: (self._kept[number], number))
        for number in ranked[self._models :]:
            del self._kept[number]
            shutil.rmtree(self._files.model(number), ignore_errors=True)
        self._models_changed(sorted(self._kept))


def _kept_before(files: StudyFiles) -> dict[int, float]:
    """Return the trials whose models are there already, with their validation MAEs."""
    return {
        number: ModelCard.model_validate_json(card.read_text(encoding="utf-8")).valid.mae
        for number, folder in files.all_models().items()
        if (card := folder / CARD_FILE).is_file()
    }
