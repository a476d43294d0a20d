"""One configuration trained on several seeds, an epoch of each in turn, and the mean of them.

A single seed says little about a configuration; what the means say is worth S trainings each.
"""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from dlf.metrics import Metrics
from dlf.training.training import EpochLosses, EpochRecord, Training


class Replicates:
    """Trainings of one configuration that differ in their seeds, driven as if they were one."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = trainings
        self.history: list[EpochRecord] = []

    @property
    def finished(self) -> bool:
        """Whether every replicate has come to its own end."""
        return bool(self.history) and self.history[-1].finished

    def train_epoch(self) -> EpochRecord:
        """Train one epoch of every replicate that is not at its end; return the mean of all.

        Raises:
            NonFiniteError: when one of them met a value that is not a number.
        """
        for training in self.trainings:
            if not training.finished:
                training.train_epoch()
        latest = [training.history[-1] for training in self.trainings]
        record = latest[0] if len(latest) == 1 else self._mean(latest)
        self.history.append(record)
        return record

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, in plain values and the live tensors."""
        return {
            "replicates": [training.state() for training in self.trainings],
            "history": [record.model_dump() for record in self.history],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that replicates of the same configuration and seeds returned."""
        for training, its_state in zip(self.trainings, state["replicates"], strict=True):
            training.restore(its_state)
        self.history = [EpochRecord.model_validate(record) for record in state["history"]]

    def _mean(self, latest: Sequence[EpochRecord]) -> EpochRecord:
        """Average the last records; a replicate that ended early stays at its last one."""
        epoch = len(self.history) + 1
        best = [record.best_mae for record in latest]
        best_mae, best_epoch = fmean(best), epoch
        if self.history and self.history[-1].best_mae <= best_mae:
            best_epoch = self.history[-1].best_epoch
        trained = [record for record in latest if record.epoch == epoch]
        return EpochRecord(
            epoch=epoch,
            loss=EpochLosses(**_means([record.loss for record in latest])),
            train=Metrics(**_means([record.train for record in latest])),
            valid=_mean_metrics([record.valid for record in latest]),
            best_mae=best_mae,
            best_epoch=best_epoch,
            spread=stdev(best),
            learning_rate=fmean(record.learning_rate for record in latest),
            seconds=sum(record.seconds for record in trained),
            finished=all(training.finished for training in self.trainings),
        )


def _mean_metrics(records: Sequence[Metrics | None]) -> Metrics | None:
    held_out = [record for record in records if record is not None]
    return Metrics(**_means(held_out)) if held_out else None


def _means(records: Sequence[EpochLosses] | Sequence[Metrics]) -> dict[str, float]:
    names = type(records[0]).model_fields
    return {name: fmean(getattr(record, name) for record in records) for name in names}
