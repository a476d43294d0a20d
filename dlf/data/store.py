"""The stored form of a dataset: one Arrow IPC file per split, opened as a memory map.

A file holds one record batch, so that each column is one contiguous buffer: opening copies no
features, and all processes of a node share the same pages.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dlf.command import BadInputError, WorkFailedError
from dlf.data.manifest import (
    FILE_NAME,
    FORMAT,
    Manifest,
    PerSplit,
    dataset_folder,
    read_manifest,
    store_command,
)
from dlf.data.mmsa import CleanDataset
from dlf.data.split import SPLITS, Sequences, Split, TokenIds
from dlf.modalities import MODALITIES, Modality


class SealedTestSplitError(RuntimeError):
    """The test split was asked for in a process that searches."""


_test_split_sealed = False


def seal_test_split() -> None:
    """Make `open_test_split` raise `SealedTestSplitError` in this process from now on."""
    global _test_split_sealed
    _test_split_sealed = True


def write_dataset(
    clean: CleanDataset,
    *,
    dataset: str,
    data_dir: Path | str,
    source: str,
    source_sha256: str | None,
) -> Manifest:
    """Store a clean dataset under `<data_dir>/<dataset>`, in place of an older one.

    The files are written aside and moved into place at the end, the manifest last: without it a
    dataset does not count as stored. Other files in that folder are left alone, since on a file
    system that ignores case it may be the one with the source. Raises `WorkFailedError` if the
    folder cannot be written.
    """
    folder = dataset_folder(dataset, data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as aside:
            return _write_aside_and_move(
                clean, Path(aside), folder, dataset=dataset, source=source, sha256=source_sha256
            )
    except OSError as error:
        raise WorkFailedError(f"{folder} cannot be written: {error.strerror}") from error


def _write_aside_and_move(
    clean: CleanDataset, aside: Path, folder: Path, *, dataset: str, source: str, sha256: str | None
) -> Manifest:
    digest = hashlib.sha256()
    for name in SPLITS:
        path = aside / f"{name}.arrow"
        _write_split(clean.splits[name], path)
        _add_file(digest, path)
    manifest = Manifest(
        format=FORMAT,
        dataset=dataset,
        source=source,
        source_sha256=sha256,
        digest=digest.hexdigest(),
        widths=clean.widths,
        time_steps=clean.time_steps,
        clips=PerSplit(**{name: len(clean.splits[name]) for name in SPLITS}),
        nonfinite=clean.nonfinite,
        text_kind=clean.text_kind,
    )
    (aside / FILE_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / FILE_NAME).unlink(missing_ok=True)
    for name in (*(f"{split}.arrow" for split in SPLITS), FILE_NAME):
        os.replace(aside / name, folder / name)
    return manifest


def open_split(dataset: str, data_dir: Path | str, split: Literal["train", "valid"]) -> Split:
    """Open the train or valid split of a stored dataset without copying its features.

    Raises `BadInputError` if the dataset is not stored or its files are damaged, and `ValueError`
    for any other split: the test split is opened by `open_test_split` alone.
    """
    if split not in ("train", "valid"):
        raise ValueError(f"open_split opens train and valid, not {split!r}")
    return _open(dataset, Path(data_dir), split)


def open_test_split(dataset: str, data_dir: Path | str) -> Split:
    """Open the test split, for a promotion's final models; errors as with `open_split`.

    Raises `SealedTestSplitError` in a process that called `seal_test_split`.
    """
    if _test_split_sealed:
        raise SealedTestSplitError("the test split is sealed in this process")
    return _open(dataset, Path(data_dir), "test")


def _write_split(split: Split, path: Path) -> None:
    columns = {
        "id": pa.array(split.ids, pa.large_string()),
        "raw_text": pa.array(split.raw_text, pa.large_string()),
        "label": pa.array(split.labels, pa.float32()),
        "token_ids": _list_array(split.token_ids.lengths, pa.array(split.token_ids.values)),
    }
    for modality in MODALITIES:
        values = split[modality].values
        steps = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        columns[modality] = _list_array(split[modality].lengths, steps)
    batch = pa.record_batch(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _list_array(lengths: NDArray[np.int64], values: Any) -> Any:
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _open(dataset: str, data_dir: Path, name: str) -> Split:
    manifest = read_manifest(dataset, data_dir)
    path = dataset_folder(dataset, data_dir) / f"{name}.arrow"
    again = f"store the dataset again with: {store_command(dataset, data_dir)}"
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        batch.validate()
    except (OSError, pa.ArrowException) as error:
        raise BadInputError(f"{path} is missing or damaged; {again}") from error
    widths = {m: manifest.widths[m] for m in MODALITIES}
    if batch.schema != _schema(widths) or batch.num_rows != getattr(manifest.clips, name):
        raise BadInputError(f"{path} does not belong to the {FILE_NAME} beside it; {again}")
    return Split(
        name=name,
        ids=batch.column("id").to_pylist(),
        raw_text=batch.column("raw_text").to_pylist(),
        labels=batch.column("label").to_numpy(zero_copy_only=True),
        **{m: _sequences(batch.column(m), widths[m]) for m in MODALITIES},
        token_ids=TokenIds(
            batch.column("token_ids").values.to_numpy(zero_copy_only=True),
            *_starts_and_lengths(batch.column("token_ids")),
        ),
    )


def _schema(widths: dict[Modality, int]) -> Any:
    fields = [
        ("id", pa.large_string()),
        ("raw_text", pa.large_string()),
        ("label", pa.float32()),
        ("token_ids", pa.large_list(pa.int32())),
    ]
    for modality in MODALITIES:
        fields.append((modality, pa.large_list(pa.list_(pa.float32(), widths[modality]))))
    return pa.schema(fields)


def _sequences(column: Any, width: int) -> Sequences:
    values = column.values.values.to_numpy(zero_copy_only=True).reshape(-1, width)
    return Sequences(values, *_starts_and_lengths(column))


def _starts_and_lengths(column: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = column.offsets.to_numpy(zero_copy_only=True)
    return offsets[:-1], np.diff(offsets)


def _add_file(digest: Any, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
