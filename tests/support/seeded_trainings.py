"""Trainings on several seeds that cost nothing: what they report and leave is made up."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from search.seeded.ended_trainings import EndedTraining, EndedTrainings
from search.seeded.seeded_trainings import Entrant, SeededTrainings
from search.study.records import trial_name
from search.trial.checkpoints import Checkpoints
from search.trial.plan import TrialPlan
from tests.support.epoch_records import epoch_record
from tests.support.kept_study import COMPLETE
from tests.support.small_models import SMALL
from tracking.records import Outcome, TrialState

LABELS = np.random.default_rng(0).uniform(-3, 3, 60).astype(np.float32)
"""of the validation clips"""


def entrant(number: int, *, max_epochs: int = 9, rates: tuple[float, ...] = ()) -> Entrant:
    """Return a configuration of its own for each number."""
    margin = 0.1 + 0.01 * number
    return Entrant(
        number=number,
        name=trial_name(number),
        params={"margin": margin},
        config=SMALL.with_values({"margin": margin}),
        max_epochs=max_epochs,
        learning_rates=rates,
    )


def predictions(number: int, seed: int, mae: float) -> NDArray[np.float32]:
    """Return predictions [N] whose MAE is about this; what a seed does, it does to all."""
    of_all = np.random.default_rng(seed).normal(0, 0.05, len(LABELS))
    of_one = np.random.default_rng([seed, number]).normal(0, 0.01, len(LABELS))
    found: NDArray[np.float32] = LABELS + (mae + of_all - of_all.mean() + of_one).astype(np.float32)
    return found


def ended_training(
    number: int, seed: int, mae: float, *, entrant: int = 0, refit: bool = False
) -> EndedTraining:
    """Return a training that came to its own end after one epoch."""
    found = () if refit else tuple(predictions(number, seed, mae).tolist())
    record = epoch_record(1, mae, mae, finished=True)
    return EndedTraining(
        number=number,
        entrant=entrant,
        seed=seed,
        outcome=COMPLETE,
        history=(record,),
        predictions=found,
    )


def leave_state(
    checkpoints: Checkpoints, number: int, best_predictions: NDArray[np.float32], epochs: int = 1
) -> None:
    """Leave what is read of the state of a training with one seed, after some epochs."""
    replicate = {"best_predictions": torch.from_numpy(best_predictions)}
    checkpoints.write(number, {"history": list(range(epochs)), "replicates": [replicate]})


class MadeUpTrainings:
    """The folders of trainings, and how they go."""

    def __init__(self, folder: Path) -> None:
        self.kept = EndedTrainings(folder=folder / "trainings")
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")

    def leave(self, number: int, seed: int, mae: float, epochs: int = 1) -> None:
        """Leave the state of a training after some epochs, with what its best weights predict."""
        leave_state(self.checkpoints, number, predictions(number, seed, mae), epochs)

    def finish(self, source: SeededTrainings, number: int, mae: float) -> None:
        """Report an epoch of a training that was handed out, and end it as complete."""
        source.report(number, epoch_record(1, mae, mae, finished=True))
        self.leave(number, source.seeds[source.place_of(number)[1]], mae)
        source.end(number, COMPLETE)


def failed(reason: str) -> Outcome:
    """Return the outcome of a training that failed."""
    return Outcome(state=TrialState.FAILED, reason=reason)


def all_plans(source: SeededTrainings) -> list[TrialPlan]:
    """Return all trainings that the source hands out while none of them ends."""
    plans = []
    while isinstance(plan := source.next_trial(), TrialPlan):
        plans.append(plan)
    return plans
