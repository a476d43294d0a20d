"""A split as tensors on a device, and the batches of an epoch drawn from it.

Padding is never stored. A batch is gathered from the valid steps, padded to the longest clip in it;
clips of similar length are batched together, so that little is computed in vain.
"""

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlf.config import Config
from dlf.encoder import Steps
from dlf.modalities import MODALITIES, InputSizes, Modality
from dlf.model import Sequences

if TYPE_CHECKING:
    from dlf.data import Split

Rows = NDArray[np.int64]

POOL_BATCHES = 16
"""batches whose clips are sorted by length together; more saves padding, fewer mixes better"""


class Batch(NamedTuple):
    """Some clips of a split."""

    inputs: Sequences
    labels: Tensor
    """[B]"""


class ModalityTensors(NamedTuple):
    """All valid steps of one modality, end to end."""

    values: Tensor
    """[total steps, width]"""
    starts: Tensor
    """[N], where each clip begins"""
    lengths: Tensor
    """[N], how many steps it has"""


class Clips:
    """The clips of a split, held as tensors on one device."""

    def __init__(self, split: "Split", sizes: InputSizes, config: Config, device: str) -> None:
        self.labels = torch.tensor(split.labels, device=device)
        self.lengths: dict[Modality, Rows] = {m: split[m].lengths for m in MODALITIES}
        self._padded_to = sizes.time_steps if config.model.padding == "reference" else None
        self._batch_size = config.training.batch_size
        self._tensors = {
            m: ModalityTensors(
                _shared(split[m].values).to(device),
                torch.tensor(split[m].starts, device=device),
                torch.tensor(split[m].lengths, device=device),
            )
            for m in MODALITIES
        }

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Rows) -> Batch:
        """Gather clips `rows` [B], padded to the longest of them (or of all, for `reference`)."""
        on_device = torch.from_numpy(rows).to(self.labels.device)
        inputs = {m: self._gather(m, rows, on_device) for m in MODALITIES}
        return Batch(inputs, self.labels[on_device])

    def shuffled(self, seed: int, epoch: int) -> list[Rows]:
        """Return the rows of every batch of a training epoch, the same for the same two numbers."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self))
        if self._padded_to is not None:
            return self._cut(order)
        pool = POOL_BATCHES * self._batch_size
        pools = [order[i : i + pool] for i in range(0, len(order), pool)]
        batches = [batch for rows in pools for batch in self._cut(self._by_length(rows))]
        return [batches[i] for i in random.permutation(len(batches))]

    def in_order_of_length(self) -> list[Rows]:
        """Return the rows of every batch of an evaluation."""
        return self._cut(self._by_length(np.arange(len(self))))

    def _by_length(self, rows: Rows) -> Rows:
        return rows[np.argsort(self.lengths["text"][rows], kind="stable")]

    def _cut(self, rows: Rows) -> list[Rows]:
        size = self._batch_size
        return [rows[i : i + size] for i in range(0, len(rows), size)]

    def _gather(self, modality: Modality, rows: Rows, on_device: Tensor) -> Steps:
        values, starts, all_lengths = self._tensors[modality]
        if self._padded_to is None:
            steps = int(self.lengths[modality][rows].max())
        else:
            steps = self._padded_to[modality]
        lengths = all_lengths[on_device]
        positions = torch.arange(steps, device=values.device)
        valid = positions < lengths[:, None]
        index = torch.where(valid, starts[on_device][:, None] + positions, 0)
        return Steps(values[index] * valid[:, :, None], lengths)


def _shared(values: NDArray[np.float32]) -> Tensor:
    """Return a tensor over the same memory, which may be a read-only memory map."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(values)
