"""Sequences in Arrow IPC files, opened as memory maps.

A file holds one record batch, so that each column is one contiguous buffer: opening copies nothing,
and all processes of a node share the same pages.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dlf.data.split import Sequences, TokenIds


def write_columns(columns: Mapping[str, Any], path: Path) -> None:
    """Write Arrow arrays of one length as a file of one record batch."""
    batch = pa.record_batch(dict(columns))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def open_columns(path: Path) -> Any:
    """Open the record batch of a file; raise `OSError` or `ArrowException` if it is cut short."""
    batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    batch.validate()
    return batch


def sequences_column(sequences: Sequences) -> Any:
    """Return an Arrow array of a clip's steps each, from sequences that lie end to end."""
    values = sequences.values
    steps = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    return _lists(sequences.lengths, steps)


def sequences_of(column: Any) -> Sequences:
    """Return the sequences of a column that `sequences_column` made, without a copy."""
    width = column.type.value_type.list_size
    values = column.values.values.to_numpy(zero_copy_only=True).reshape(-1, width)
    return Sequences(values, *_starts_and_lengths(column))


def token_ids_column(tokens: TokenIds) -> Any:
    """Return an Arrow array of a clip's token ids each, from ids that lie end to end."""
    return _lists(tokens.lengths, pa.array(tokens.values))


def token_ids_of(column: Any) -> TokenIds:
    """Return the ids of a column that `token_ids_column` made, without a copy."""
    values = column.values.to_numpy(zero_copy_only=True)
    return TokenIds(values, *_starts_and_lengths(column))


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lists(lengths: NDArray[np.int64], values: Any) -> Any:
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _starts_and_lengths(column: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = column.offsets.to_numpy(zero_copy_only=True)
    return offsets[:-1], np.diff(offsets)
