"""A split as tensors, and the batches of an epoch drawn from it.

Padding is never stored. A batch is gathered from the valid steps, padded to the longest clip in it;
clips of similar length are batched together, so that little is computed in vain.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlf.config import Config
from dlf.modalities import MODALITIES, InputSizes, Modality
from dlf.model.dlf import Inputs
from dlf.model.steps import Features, valid_steps
from dlf.training.placement import fetched_ahead, fits_on

Rows = NDArray[np.int64]

POOL_BATCHES = 64
"""batches whose clips are sorted by length together; more saves padding, fewer mixes better"""

EVALUATION_STEPS = 1600
"""Clips in a batch of an evaluation, times the longest sequence of a dataset: since nothing is kept
for a backward pass, short clips are best taken by the dozen."""


class FlatSequences(Protocol):
    """One modality of a split: all valid steps end to end, and each clip's place among them.

    Token ids are features of width 1.
    """

    @property
    def values(self) -> NDArray[np.float32] | NDArray[np.int32]: ...  # noqa: D102
    @property
    def starts(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def lengths(self) -> NDArray[np.int64]: ...  # noqa: D102


class LabelledClips(Protocol):
    """What `Clips` needs of a split; `dlf.data.Split` is one."""

    @property
    def labels(self) -> NDArray[np.float32]: ...  # noqa: D102
    def __getitem__(self, modality: Modality) -> FlatSequences: ...


class Batch(NamedTuple):
    """Some clips of a split."""

    inputs: Inputs
    labels: Tensor
    """[B]"""

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with every tensor changed."""
        inputs = {m: Features(*map(change, features)) for m, features in self.inputs.items()}
        return Batch(inputs, change(self.labels))


class ModalityTensors(NamedTuple):
    """All valid steps of one modality, end to end."""

    values: Tensor
    """[total steps, width]"""
    starts: Tensor
    """[N], where each clip begins"""
    lengths: Tensor
    """[N], how many steps it has"""


class Clips:
    """The clips of a split, for a model on one device: of each modality that the model is given.

    Of a sequence longer than the longest that the model knows the first steps are taken.
    """

    def __init__(
        self, split: LabelledClips, sizes: InputSizes, config: Config, device: str
    ) -> None:
        used = config.model.used_modalities
        self.device = torch.device(device)
        size = sum(split[m].values.nbytes for m in used)
        self._resident = fits_on(self.device, size)
        self._place = self.device if self._resident else torch.device("cpu")
        self.labels = torch.tensor(split.labels, device=self._place)
        self.lengths: dict[Modality, Rows] = {
            m: np.minimum(split[m].lengths, sizes.time_steps[m]) for m in used
        }
        longest = max(sizes.time_steps[m] for m in MODALITIES)
        self._padded_to = sizes.time_steps if config.model.padding == "reference" else None
        self._batch_size = config.training.batch_size
        self._evaluation_size = max(self._batch_size, EVALUATION_STEPS // longest)
        self._tensors = {
            m: ModalityTensors(
                _shared(split[m].values).to(self._place),
                torch.tensor(split[m].starts, device=self._place),
                torch.tensor(self.lengths[m], device=self._place),
            )
            for m in used
        }

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, orders: Sequence[Rows]) -> Iterator[Batch]:
        """Yield on the device the batch of every `orders`' rows."""
        if self._resident:
            return map(self.batch, orders)
        return fetched_ahead(
            orders,
            gather=lambda rows: self.batch(rows).map(_pinned),
            copy=lambda batch: batch.map(lambda x: x.to(self.device, non_blocking=True)),
        )

    def batch(self, rows: Rows) -> Batch:
        """Gather clips `rows` [B], padded to the longest of them (or of all, for `reference`).

        The batch is where the split is, which need not be the device.
        """
        in_place = torch.from_numpy(rows).to(self._place)
        inputs = {m: self._gather(m, rows, in_place) for m in self._tensors}
        return Batch(inputs, self.labels[in_place])

    def shuffled(self, seed: int, epoch: int) -> list[Rows]:
        """Return the rows of every batch of a training epoch, the same for the same two numbers."""
        random = np.random.default_rng([seed, epoch])
        order, size = random.permutation(len(self)), self._batch_size
        if self._padded_to is not None:
            return self._cut(order, size)
        pool = POOL_BATCHES * size
        pools = [order[i : i + pool] for i in range(0, len(order), pool)]
        batches = [batch for rows in pools for batch in self._cut(self._by_length(rows), size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def largest(self) -> Rows:
        """Return the rows of a training batch as large as any: of each modality the longest."""
        longest = [lengths.argmax() for lengths in self.lengths.values()]
        rows = np.concatenate([longest, self._by_length(np.arange(len(self)))[::-1]])
        _, first = np.unique(rows, return_index=True)
        return rows[np.sort(first)][: self._batch_size]

    def in_order_of_length(self) -> list[Rows]:
        """Return the rows of every batch of an evaluation."""
        return self._cut(self._by_length(np.arange(len(self))), self._evaluation_size)

    def _by_length(self, rows: Rows) -> Rows:
        lengths = next(iter(self.lengths.values()))
        return rows[np.argsort(lengths[rows], kind="stable")]

    def _cut(self, rows: Rows, size: int) -> list[Rows]:
        return [rows[i : i + size] for i in range(0, len(rows), size)]

    def _gather(self, modality: Modality, rows: Rows, in_place: Tensor) -> Features:
        values, starts, all_lengths = self._tensors[modality]
        if self._padded_to is None:
            steps = int(self.lengths[modality][rows].max())
        else:
            steps = self._padded_to[modality]
        lengths = all_lengths[in_place]
        positions = torch.arange(steps, device=values.device)
        valid = valid_steps(lengths, steps)
        index = torch.where(valid, starts[in_place][:, None] + positions, 0)
        return Features(values[index] * valid[:, :, None], lengths)


def _pinned(values: Tensor) -> Tensor:
    return values.pin_memory() if torch.cuda.is_available() else values


def _shared(values: NDArray[np.float32] | NDArray[np.int32]) -> Tensor:
    """Return a tensor over the same memory, which may be a read-only memory map."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(values)
