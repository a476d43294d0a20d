"""The stored form of a dataset: a manifest, and beside it a folder of one Arrow file per split."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from dlf.command import BadInputError, WorkFailedError, reason_of
from dlf.data.arrow import (
    open_columns,
    sequences_column,
    sequences_of,
    sha256_of,
    token_ids_column,
    token_ids_of,
    write_columns,
)
from dlf.data.manifest import (
    FILE_NAME,
    FORMAT,
    Checksums,
    Manifest,
    PerSplit,
    dataset_folder,
    read_manifest,
    store_command,
    version_folder,
)
from dlf.data.mmsa import CleanDataset
from dlf.data.split import SPLITS, Split
from dlf.modalities import MODALITIES, Modality

ASIDE = ".writing-"
LOCK_FILE = ".import.lock"
VERSION = re.compile(r"[0-9a-f]{16}")


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
    published: str | None = None,
) -> Manifest:
    """Store a clean dataset under `<data_dir>/<dataset>`, in place of an older one.

    The files are written aside and moved into the folder of their version; the manifest, which says
    which version is the dataset, is replaced last. Until then an older dataset stays as it was,
    however the import ends, and what it left behind is removed by the next one. Other files in the
    folder are left alone, since on a file system that ignores case it may be the one with the
    source.

    Raises:
        BadInputError: when another import into the same folder is under way.
        WorkFailedError: when the folder cannot be written.
    """
    folder = dataset_folder(dataset, data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_import(folder):
            for leftover in folder.glob(f"{ASIDE}*"):
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=ASIDE, dir=folder) as aside:
                checksums, digest = _write_splits(clean, Path(aside))
                manifest = Manifest(
                    format=FORMAT,
                    dataset=dataset,
                    source=source,
                    source_sha256=source_sha256,
                    published=published,
                    digest=digest,
                    checksums=checksums,
                    widths=clean.widths,
                    time_steps=clean.time_steps,
                    token_steps=clean.token_steps,
                    clips=PerSplit(**{name: len(clean.splits[name]) for name in SPLITS}),
                    nonfinite=clean.nonfinite,
                    text_kind=clean.text_kind,
                    statistics=clean.statistics,
                    shared_videos=clean.shared_videos,
                )
                _move_into_place(manifest, Path(aside), folder)
            _remove_other_versions(manifest, folder)
    except OSError as error:
        raise WorkFailedError(f"{folder} cannot be written: {reason_of(error)}") from error
    return manifest


def open_split(dataset: str, data_dir: Path | str, split: Literal["train", "valid"]) -> Split:
    """Open the train or valid split of a stored dataset without copying its features.

    Raises `BadInputError` if the dataset is not stored or its files are cut short, and `ValueError`
    for any other split: the test split is opened by `open_test_split` alone.
    """
    if split not in ("train", "valid"):
        raise ValueError(f"open_split opens train and valid, not {split!r}")
    return _open(dataset, Path(data_dir), split)


def open_test_split(dataset: str, data_dir: Path | str) -> Split:
    """Open the test split, for a promotion's final models, after a look at its checksum.

    Errors are as with `open_split`, and `SealedTestSplitError` in a process that called
    `seal_test_split`.
    """
    if _test_split_sealed:
        raise SealedTestSplitError("the test split is sealed in this process")
    verify_split(dataset, data_dir, "test")
    return _open(dataset, Path(data_dir), "test")


def verify_split(dataset: str, data_dir: Path | str, split: str) -> None:
    """Read a split's file through; raise `BadInputError` when it is not what was written."""
    manifest = read_manifest(dataset, data_dir)
    path = version_folder(dataset, data_dir, manifest.digest) / f"{split}.arrow"
    try:
        found = sha256_of(path)
    except OSError as error:
        raise _damaged(path, dataset, data_dir) from error
    if found != getattr(manifest.checksums, split):
        raise _damaged(path, dataset, data_dir)


def _damaged(path: Path, dataset: str, data_dir: Path | str) -> BadInputError:
    again = store_command(dataset, data_dir)
    return BadInputError(f"{path} is missing or damaged; store the dataset again with: {again}")


@contextmanager
def _only_import(folder: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, whatever ends it."""
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInputError(
                f"another import into {folder} is under way; wait until it is done"
            ) from error
        yield


def _write_splits(clean: CleanDataset, aside: Path) -> tuple[Checksums, str]:
    """Write all splits; return the hash of each, and of all of them one after the other."""
    digest = hashlib.sha256()
    checksums = {}
    for name in SPLITS:
        path = aside / f"{name}.arrow"
        _write_split(clean.splits[name], path)
        checksums[name] = _hash_into(digest, path)
    return Checksums(**checksums), digest.hexdigest()


def _write_split(split: Split, path: Path) -> None:
    columns = {
        "id": pa.array(split.ids, pa.large_string()),
        "raw_text": pa.array(split.raw_text, pa.large_string()),
        "label": pa.array(split.labels, pa.float32()),
        "token_ids": token_ids_column(split.token_ids),
    }
    write_columns(columns | {m: sequences_column(split[m]) for m in MODALITIES}, path)


def _move_into_place(manifest: Manifest, aside: Path, folder: Path) -> None:
    (aside / FILE_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    version = version_folder(manifest.dataset, folder.parent, manifest.digest)
    version.mkdir(exist_ok=True)
    for name in SPLITS:
        os.replace(aside / f"{name}.arrow", version / f"{name}.arrow")
    os.replace(aside / FILE_NAME, folder / FILE_NAME)


def _remove_other_versions(manifest: Manifest, folder: Path) -> None:
    current = version_folder(manifest.dataset, folder.parent, manifest.digest).name
    for other in folder.iterdir():
        if VERSION.fullmatch(other.name) and other.name != current and other.is_dir():
            shutil.rmtree(other)


def _open(dataset: str, data_dir: Path, name: str) -> Split:
    manifest = read_manifest(dataset, data_dir)
    path = version_folder(dataset, data_dir, manifest.digest) / f"{name}.arrow"
    try:
        batch = open_columns(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, dataset, data_dir) from error
    widths = {m: manifest.widths[m] for m in MODALITIES}
    if batch.schema != _schema(widths) or batch.num_rows != getattr(manifest.clips, name):
        raise BadInputError(
            f"{path} does not belong to the {FILE_NAME} of its dataset; store the dataset again "
            f"with: {store_command(dataset, data_dir)}"
        )
    return Split(
        name=name,
        ids=batch.column("id").to_pylist(),
        raw_text=batch.column("raw_text").to_pylist(),
        labels=batch.column("label").to_numpy(zero_copy_only=True),
        **{m: sequences_of(batch.column(m)) for m in MODALITIES},
        token_ids=token_ids_of(batch.column("token_ids")),
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


def _hash_into(whole: Any, path: Path) -> str:
    """Return the hash of a file, and add its content to another one."""
    own = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            own.update(block)
            whole.update(block)
    return own.hexdigest()
