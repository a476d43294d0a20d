"""Some configurations, each trained on each of the same seeds: a race, a final, an ablation.

What ended is kept at once, and is not trained again by a process that goes on.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from dlf.command import WorkFailedError, one_line
from dlf.config import Config, Value
from dlf.training.training import EpochRecord
from search.seeded.ended_trainings import EndedTraining, EndedTrainings
from search.trial.checkpoint_files import CheckpointsAwayError
from search.trial.checkpoints import Checkpoints, DamagedCheckpointError
from search.trial.plan import TrialPlan, TrialSource, Wait
from tracking.records import Outcome, TrialState


class Entrant(BaseModel):
    """A configuration that is trained on several seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    """by which it is known: that of its trial in the search, or of its row in a table"""
    name: str
    params: Mapping[str, Value]
    """what distinguishes it"""
    config: Config
    max_epochs: int = Field(ge=1)
    learning_rates: tuple[float, ...] = ()
    """of a refit; see `TrialPlan`"""


class SeededTrainings(TrialSource):
    """Hands out each entrant with each seed, and keeps how each training goes."""

    def __init__(
        self,
        entrants: Sequence[Entrant],
        seeds: Sequence[int],
        *,
        kept: EndedTrainings,
        checkpoints: Checkpoints,
        first_number: int = 0,
        word: str = "seed",
    ) -> None:
        """Go on where an earlier process ended.

        Args:
            entrants: in the order in which their first seeds are trained.
            seeds: the same for all.
            kept: where what ended is kept.
            checkpoints: where trainings leave their states and predictions.
            first_number: of the trainings; others of the same folder have lower ones.
            word: what a seed is called in the name of a training.
        """
        self.entrants = entrants
        self.seeds = seeds
        self.total = len(entrants) * len(seeds)
        self.first_number = first_number
        self._kept = kept
        self._checkpoints = checkpoints
        self._word = word
        mine = range(first_number, first_number + self.total)
        found = {n: training for n, training in kept.read().items() if n in mine}
        # One that failed or was stopped is tried again by a process that still needs it.
        self.ended = {n: each for n, each in found.items() if each.complete and self._fits(each)}
        self.failures: dict[int, str] = {}
        """why trainings failed, by the entrant"""
        self._before = frozenset(self.ended)
        self._handed_out = set(self.ended)
        self._begun = checkpoints.numbers()
        self._under_way: dict[int, list[EpochRecord]] = {}
        self._notes: dict[int, list[str]] = {}

    @property
    def ended_before(self) -> Mapping[int, Outcome]:
        """How the trainings ended that an earlier process has trained, by number."""
        return {number: self.ended[number].outcome for number in sorted(self._before)}

    def next_trial(self) -> TrialPlan | Wait | None:
        """Return the next training: the seeds of one entrant after those of another."""
        for entrant in self.entrants:
            for index in range(len(self.seeds)):
                if not self.is_begun(entrant, index):
                    return self.hand_out(entrant, index)
        return None

    def report(self, number: int, record: EpochRecord) -> Outcome | None:
        """Keep the record; a training that goes on from a checkpoint gives some again."""
        history = self._under_way[number]
        if record.epoch == len(history) + 1:
            history.append(record)
        return None

    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Keep what the training came to, on disk before anything else hears of it."""
        history = tuple(self._under_way.pop(number))
        entrant, index = self.place_of(number)
        predictions: tuple[float, ...] = ()
        if outcome.state is TrialState.COMPLETE:
            try:
                state = self._last_state(number, len(history))
                if not entrant.learning_rates:
                    (only,) = state["replicates"]
                    predictions = tuple(only["best_predictions"].tolist())
                self._keep_model(number, entrant, state)
            except CheckpointsAwayError as error:
                raise WorkFailedError(f"{one_line(error)}; go on when it can") from error
            except (DamagedCheckpointError, OSError) as error:
                reason = f"what it has learned could not be kept: {one_line(error)}"
                outcome = Outcome(state=TrialState.FAILED, reason=reason)
        training = EndedTraining(
            number=number,
            entrant=entrant.number,
            seed=self.seeds[index],
            outcome=outcome,
            history=history,
            predictions=predictions,
            notes=tuple(self._notes.pop(number, [])),
        )
        try:
            self._kept.keep(training)
        except OSError as error:
            raise WorkFailedError(
                f"{self._kept.folder} cannot be written: {one_line(error)}; go on when it can"
            ) from error
        if outcome.state is TrialState.FAILED:
            reason = outcome.reason or "no reason was given"
            self.failures.setdefault(entrant.number, f"{self._word} {index}: {reason}")
        elif training.complete:
            self.ended[number] = training
        return {number: outcome}

    def note(self, number: int, text: str) -> None:
        """Keep it with the training."""
        self._notes.setdefault(number, []).append(text)

    @property
    def told(self) -> list[str]:
        """What happened to complete trainings on the way: clauses with the training's name."""
        names = {number: self.place_of(number) for number in sorted(self.ended)}
        return [
            f"{entrant.name}, {self._word} {index}: {' '.join(note.split())}"
            for number, (entrant, index) in names.items()
            for note in self.ended[number].notes
        ]

    def number_of(self, entrant: Entrant, index: int) -> int:
        """Return the number of a training."""
        return self.first_number + self.entrants.index(entrant) * len(self.seeds) + index

    def place_of(self, number: int) -> tuple[Entrant, int]:
        """Return whose training it is, and on which of the seeds."""
        position, index = divmod(number - self.first_number, len(self.seeds))
        return self.entrants[position], index

    def is_begun(self, entrant: Entrant, index: int) -> bool:
        """Tell whether a training was handed out, or ended before."""
        return self.number_of(entrant, index) in self._handed_out

    def was_begun(self, entrant: Entrant, index: int) -> bool:
        """Tell whether an earlier process has left a checkpoint of a training."""
        return self.number_of(entrant, index) in self._begun

    @property
    def under_way(self) -> list[int]:
        """The numbers of the trainings that were handed out and have not ended."""
        return list(self._under_way)

    def hand_out(self, entrant: Entrant, index: int) -> TrialPlan:
        """Plan a training, which goes on from its checkpoint if there is one."""
        number = self.number_of(entrant, index)
        self._handed_out.add(number)
        self._under_way[number] = []
        return TrialPlan(
            number=number,
            name=f"{entrant.name}, {self._word} {index}",
            params=entrant.params,
            config=entrant.config,
            seeds=[self.seeds[index]],
            max_epochs=entrant.max_epochs,
            learning_rates=entrant.learning_rates,
            begun=number in self._begun,
        )

    def trainings_of(self, entrant: Entrant) -> dict[int, EndedTraining]:
        """Return an entrant's complete trainings by the index of their seed."""
        numbers = {index: self.number_of(entrant, index) for index in range(len(self.seeds))}
        return {i: self.ended[number] for i, number in numbers.items() if number in self.ended}

    def valid_mae(self, entrant: Entrant) -> list[float]:
        """Return the validation MAE of an entrant's complete trainings, in the order of seeds."""
        return [training.best_mae for training in self.trainings_of(entrant).values()]

    def mean_mae(self, entrant: Entrant) -> float:
        """Return the mean of them."""
        return fmean(self.valid_mae(entrant))

    def errors_of(self, entrant: Entrant, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the absolute errors [S, N] of an entrant's complete trainings."""
        return np.stack([each.errors(labels) for each in self.trainings_of(entrant).values()])

    def _fits(self, training: EndedTraining) -> bool:
        """Tell whether a training is the one of its number here, as others of it may have been."""
        entrant, index = self.place_of(training.number)
        return (training.entrant, training.seed) == (entrant.number, self.seeds[index])

    def _last_state(self, number: int, epochs: int) -> dict[str, Any]:
        """Return the state that a training has left.

        Raises:
            DamagedCheckpointError: when it is not the last one, which could not be written.
            CheckpointsAwayError: when nobody can tell, for want of an answer.
        """
        state = self._checkpoints.read_patiently(number)
        if state is None:
            raise DamagedCheckpointError("its state is missing, for want of space perhaps")
        if len(state["history"]) != epochs:
            raise DamagedCheckpointError(
                f"its state is that of epoch {len(state['history'])} of {epochs}, for want of "
                "space perhaps"
            )
        return state

    def _keep_model(self, number: int, entrant: Entrant, state: dict[str, Any]) -> None:
        """Keep no model: only those of a final training are read again."""
