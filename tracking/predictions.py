"""Predictions of the clips of a split, as a Parquet file that any table reader opens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlf.whole_file import replaced_whole

ID, LABEL, PREDICTION = "id", "label", "prediction"


@dataclass(frozen=True)
class Predictions:
    """What one model, or several, say of the clips of a split, beside what is true.

    All arrays are float32 of shape [clips], in units of sentiment.
    """

    ids: Sequence[str]
    labels: NDArray[np.float32]
    prediction: NDArray[np.float32]
    """of the model that it is about; the column `prediction`"""
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """those of further models, by the names of their columns"""

    @property
    def columns(self) -> dict[str, NDArray[np.float32]]:
        """The predictions of every model by column, that of `prediction` first."""
        return {PREDICTION: self.prediction, **self.others}


def write_predictions(file: Path, predictions: Predictions) -> None:
    """Write a table of the columns `id`, `label`, `prediction` and those of the other models.

    The folder must exist. A file that is there is replaced as a whole.

    Raises:
        ValueError: when a column is not as long as the ids, or has a name that is taken.
        OSError: when it cannot be written; a former file is still there.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    taken = {ID, LABEL, PREDICTION} & set(predictions.others)
    if taken:
        raise ValueError(f"the column {min(taken)!r} has a meaning of its own")
    numbers = {LABEL: predictions.labels, **predictions.columns}
    columns = {ID: pa.array(predictions.ids, pa.string())}
    columns |= {name: pa.array(values, pa.float32()) for name, values in numbers.items()}
    table = pa.table(columns)
    with replaced_whole(file) as unfinished:
        parquet.write_table(table, unfinished)


def read_predictions(file: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        ValueError: when it is no such table.
        OSError: when it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = parquet.read_table(file)
    names = table.column_names
    types = [pa.string(), *[pa.float32()] * (len(names) - 1)]
    if names[:3] != [ID, LABEL, PREDICTION] or table.schema.types != types:
        found = ", ".join(f"{column.name} ({column.type})" for column in table.schema)
        raise ValueError(f"{file} is no table of predictions: its columns are {found}")
    numbers = {name: table[name].to_numpy() for name in names[1:]}
    labels, prediction = numbers.pop(LABEL), numbers.pop(PREDICTION)
    return Predictions(table[ID].to_pylist(), labels, prediction, numbers)
