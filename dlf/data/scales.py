"""The scales of a modality's features, from the rows of a split that are not all zero."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dlf.data.split import Sequences
from dlf.modalities import Statistics

ROWS_AT_ONCE = 1 << 16


def feature_statistics(sequences: Sequences) -> Statistics:
    """Return mean and standard deviation of every feature, in float64 over blocks of rows.

    A row of zeros is padding, an absent modality or a frame without a face, and says nothing of
    scales.
    """
    values = sequences.values
    count, total, squares = 0, np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for rows in _blocks(sequences):
        count += len(rows)
        total += rows.sum(axis=0)
    mean = total / max(count, 1)
    for rows in _blocks(sequences):
        squares += ((rows - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / max(count, 1))
    return Statistics(mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


def _blocks(sequences: Sequences) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(sequences.values), ROWS_AT_ONCE):
        rows = sequences.values[start : start + ROWS_AT_ONCE]
        yield rows[(rows != 0).any(axis=1)].astype(np.float64)
