"""Training of one configuration: an epoch at a time, each giving one record.

Whoever drives it (a Tune trainable, the final training, a notebook) decides when to stop, what to
log and when to keep a checkpoint. An epoch depends only on the state before it, the seed and its
own number, so a training that was saved and restored goes on as if nothing had happened.
"""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from dlf.config import Config
from dlf.losses import LossTerms
from dlf.metrics import BEST_OBJECTIVE, BEST_SPREAD, Metrics, compute_metrics, loss_name
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.text.finetuned import TextEncoder
from dlf.training.batching import Clips, LabelledClips
from dlf.training.inference import predict
from dlf.training.optimisation import Learned, Optimisation
from dlf.training.precision import products_of

READ_EVERY = {"cpu": 1, "cuda": 16}
"""batches between two looks at the losses: on a GPU every look waits for all that is under way"""


class NonFiniteError(ArithmeticError):
    """A loss or a prediction is no longer a number; the message says which, and when."""


class EpochLosses(BaseModel):
    """The mean of every loss over the batches of an epoch, before its lambda."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_inf_nan="constants",
        use_attribute_docstrings=True,
    )

    total: float
    """what is minimised: the task loss, and every other in use times its lambda"""
    task: float
    """mean absolute errors of all predictions, weighted by the betas, in units of sentiment"""
    reconstruction: float
    """L_r, squared features"""
    specific: float
    """L_s, squared features"""
    margin: float
    """L_m, cosines"""
    orthogonality: float
    """L_o, cosines, summed over modalities"""


class EpochRecord(BaseModel):
    """What one epoch of training came to."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    epoch: int
    """counted from 1"""
    loss: EpochLosses
    train: Metrics
    """of the predictions made while training, dropout included"""
    valid: Metrics | None
    """none where nothing is held out"""
    best_mae: float
    """the lowest validation MAE up to here; the training MAE where nothing is held out"""
    best_epoch: int
    """the epoch whose weights are kept: that of the lowest MAE, or the last one"""
    spread: float | None = None
    """the standard deviation of `best_mae` over the seeds, where there are several"""
    learning_rate: float
    """with which the epoch was trained"""
    seconds: float
    finished: bool
    """whether this was the last epoch, by patience or by number"""

    def named(self) -> dict[str, float]:
        """Return everything measured under its recorded name, such as `valid/mae`."""
        losses = {loss_name(term): value for term, value in self.loss}
        trained = losses | self.train.named("train")
        if self.valid is None:
            return trained
        best = {BEST_OBJECTIVE: self.best_mae}
        if self.spread is not None:
            best[BEST_SPREAD] = self.spread
        return trained | self.valid.named("valid") | best


class Training:
    """A model, its optimiser and its data, between two epochs.

    With validation clips the learning rate follows their MAE, patience ends the training, and the
    weights of the best epoch are kept. Without any the learning rates are given, an epoch is
    trained at each of them, and the last weights are kept.
    """

    def __init__(
        self,
        config: Config,
        sizes: InputSizes,
        train: LabelledClips,
        valid: LabelledClips | None,
        *,
        seed: int,
        max_epochs: int,
        device: str = "cpu",
        text_encoder: TextEncoder | None = None,
        learning_rates: Sequence[float] = (),
    ) -> None:
        """Prepare the training; with a text encoder, the text of both splits is token ids.

        Args:
            config: the configuration.
            sizes: of the data.
            train: what is learned from.
            valid: what is held out; none to train as a former training did, at `learning_rates`.
            seed: of weights, order and dropout.
            max_epochs: after which it ends in any case.
            device: where.
            text_encoder: that learns along.
            learning_rates: one for each epoch, where nothing is held out.
        """
        if valid is None and len(learning_rates) != max_epochs:
            raise ValueError(f"{len(learning_rates)} learning rates for {max_epochs} epochs")
        self.config = config
        self.seed = seed
        self.max_epochs = max_epochs
        self.history: list[EpochRecord] = []
        torch.manual_seed(seed)
        self.model = DLF(config.model, sizes, text_encoder).to(device)
        self.best_weights = _copy_of(self.model)
        self.best_predictions = np.zeros(0 if valid is None else len(valid.labels), np.float32)
        """[N] of the validation split, by the best weights"""
        self._train = Clips(train, sizes, config, device)
        self._valid = None if valid is None else Clips(valid, sizes, config, device)
        self._learning_rates = learning_rates
        self._optimisation = Optimisation(self.model, config, device)
        self._read_every = READ_EVERY[torch.device(device).type]

    def epochs(self) -> Iterator[EpochRecord]:
        """Train to the end, one record an epoch."""
        while not self.finished:
            yield self.train_epoch()

    @property
    def finished(self) -> bool:
        """Whether there is no further epoch, by patience or by number."""
        return bool(self.history) and self.history[-1].finished

    def train_epoch(self) -> EpochRecord:
        """Train one epoch and validate.

        Raises:
            NonFiniteError: when a loss or a prediction is not a number any more.
        """
        started = time.perf_counter()
        epoch = len(self.history) + 1
        torch.manual_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))
        if self._valid is None:
            self._optimisation.learning_rate = self._learning_rates[epoch - 1]
        learning_rate = self._optimisation.learning_rate
        with products_of(self.config):
            loss, train = self._optimise(epoch)
        valid = self._validate(epoch)
        best_mae, best_epoch = train.mae, epoch
        if valid is not None:
            best_mae, best_epoch = self._best_up_to(epoch, valid.mae)
        elif epoch == self.max_epochs:
            self.best_weights = _copy_of(self.model)
        record = EpochRecord(
            epoch=epoch,
            loss=loss,
            train=train,
            valid=valid,
            best_mae=best_mae,
            best_epoch=best_epoch,
            learning_rate=learning_rate,
            seconds=time.perf_counter() - started,
            finished=epoch >= self.max_epochs
            or epoch - best_epoch >= self.config.training.patience,
        )
        self.history.append(record)
        return record

    def rehearse(self) -> None:
        """Take one step on the largest batch, and predict what is held out, for what that takes."""
        self._optimisation.begin_epoch(batches=1)
        with products_of(self.config):
            for batch in self._train.batches([self._train.largest()]):
                self._optimisation.learn(batch)
        if self._valid is not None:
            predict(self.model, self._valid, self.config)

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs, in plain values and the live tensors."""
        return {
            "seed": self.seed,
            "model": self.model.state_dict(),
            "optimisation": self._optimisation.state(),
            "best_weights": self.best_weights,
            "best_predictions": torch.from_numpy(self.best_predictions),
            "history": [record.model_dump() for record in self.history],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that a training of the same configuration and seed returned."""
        self.model.load_state_dict(state["model"])
        self._optimisation.restore(state["optimisation"])
        self.best_weights = state["best_weights"]
        self.best_predictions = state["best_predictions"].numpy()
        self.history = [EpochRecord.model_validate(record) for record in state["history"]]

    def _validate(self, epoch: int) -> Metrics | None:
        """Score what is held out, let the learning rate follow, and keep the best weights."""
        if self._valid is None:
            return None
        predictions = predict(self.model, self._valid, self.config)
        valid = compute_metrics(predictions, _labels(self._valid))
        if not math.isfinite(valid.mae):
            raise NonFiniteError(f"a validation prediction is not finite after epoch {epoch}")
        self._optimisation.end_epoch(valid.mae)
        if self._best_up_to(epoch, valid.mae) == (valid.mae, epoch):
            self.best_weights = _copy_of(self.model)
            self.best_predictions = predictions
        return valid

    def _best_up_to(self, epoch: int, mae: float) -> tuple[float, int]:
        """Return the lowest validation MAE and its epoch; of equal ones the first."""
        if self.history and self.history[-1].best_mae <= mae:
            return self.history[-1].best_mae, self.history[-1].best_epoch
        return mae, epoch

    def _optimise(self, epoch: int) -> tuple[EpochLosses, Metrics]:
        """Learn from every batch of one epoch."""
        orders = self._train.shuffled(self.seed, epoch)
        self._optimisation.begin_epoch(len(orders))
        learned = []
        for count, batch in enumerate(self._train.batches(orders), start=1):
            learned.append(self._optimisation.learn(batch))
            if count % self._read_every == 0 or count == len(orders):
                self._stop_if_not_finite(learned[-self._read_every :], count, epoch)
        losses = torch.stack([batch.losses for batch in learned]).mean(dim=0).tolist()
        predictions = torch.cat([batch.predictions for batch in learned]).cpu().numpy()
        metrics = compute_metrics(predictions, _labels(self._train)[np.concatenate(orders)])
        return EpochLosses(**LossTerms(*losses)._asdict()), metrics

    def _stop_if_not_finite(self, learned: list[Learned], batch: int, epoch: int) -> None:
        for losses in torch.stack([each.losses for each in learned]).tolist():
            for term, value in LossTerms(*losses)._asdict().items():
                if not math.isfinite(value):
                    raise NonFiniteError(
                        f"{loss_name(term)} is {value} in epoch {epoch}, by batch {batch}"
                    )


def _labels(clips: Clips) -> NDArray[np.float32]:
    return clips.labels.cpu().numpy()


def _copy_of(model: DLF) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
