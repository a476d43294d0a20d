"""Predictions as a Parquet file: written and read the same, and never half of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from numpy.typing import NDArray

from tracking.predictions import Predictions, read_predictions, write_predictions

IDS = ["03bSnISJMiM$_$11", "03bSnISJMiM$_$1", "é 3"]


def of(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def some() -> Predictions:
    others = {"seed_0": of(1.5, 0.1, np.inf), "seed_1": of(0, 0, 0)}
    return Predictions(IDS, of(1, -2.2, 0), of(0.9, -3.5, np.nan), others)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    write_predictions(file, some())
    found = read_predictions(file)
    assert found.ids == IDS
    np.testing.assert_array_equal(found.labels, some().labels)
    assert list(found.columns) == ["prediction", "seed_0", "seed_1"]
    for name, values in some().columns.items():
        np.testing.assert_array_equal(found.columns[name], values)
        assert found.columns[name].dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_any_reader_finds_ids_labels_and_predictions(tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    write_predictions(file, Predictions(IDS, of(1, 2, 3), of(3, 2, 1)))
    table = parquet.read_table(file)
    assert table.to_pylist()[0] == {"id": IDS[0], "label": 1.0, "prediction": 3.0}
    assert table.schema.types == [pa.string(), pa.float32(), pa.float32()]


def test_a_split_without_clips(tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    write_predictions(file, Predictions([], of(), of()))
    assert len(read_predictions(file).labels) == 0


def test_a_write_that_fails_leaves_the_former_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "predictions.parquet"
    write_predictions(file, some())

    def full(_table: object, unfinished: Path) -> None:
        unfinished.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        write_predictions(file, Predictions(IDS, of(0, 0, 0), of(0, 0, 0)))
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    np.testing.assert_array_equal(read_predictions(file).labels, some().labels)


@pytest.mark.parametrize("name", ["id", "label", "prediction"])
def test_a_taken_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        write_predictions(
            tmp_path / "file", Predictions(IDS, of(0, 0, 0), of(0, 0, 0), {name: of()})
        )


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="length"):
        write_predictions(tmp_path / "file", Predictions(IDS, of(0, 0, 0), of(0, 0)))


@pytest.mark.parametrize(
    "columns",
    [
        {"id": pa.array(["a"]), "label": pa.array([1.0], pa.float32())},
        {
            "id": pa.array(["a"]),
            "label": pa.array([1.0], pa.float64()),
            "prediction": pa.array([1.0], pa.float32()),
        },
        {
            "clip": pa.array(["a"]),
            "label": pa.array([1.0], pa.float32()),
            "prediction": pa.array([1.0], pa.float32()),
        },
    ],
)
def test_another_table_is_refused(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    file = tmp_path / "other.parquet"
    parquet.write_table(pa.table(columns), file)
    with pytest.raises(ValueError, match="no table of predictions"):
        read_predictions(file)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.parquet"
    file.write_text("id,label,prediction\n")
    with pytest.raises(ValueError, match="arquet"):
        read_predictions(file)
