"""Text that an encoder has read, stored beside the dataset: its features, or its token ids.

A folder in that of the dataset's version holds one encoding, with a file for each split. A split is
written in parts, each at once or not at all and with a checksum of its own, so that an encoding
broken off goes on where it was, and nothing is made of a part that was damaged since.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import ValidationError

from dlf.command import BadInputError
from dlf.data.arrow import open_columns, sequences_column, sequences_of, sha256_of, write_columns
from dlf.data.manifest import Manifest, Record, version_folder
from dlf.data.split import SPLITS, Sequences
from dlf.whole_file import replaced_whole

FORMAT = 1
FILE_NAME = "encoding.json"
FOLDERS = "text-*"
COLUMN = "text"
CHECKSUM = ".sha256"


class Encoding(Record):
    """What was encoded, and by what."""

    format: int = FORMAT
    kind: Literal["features", "tokens"]
    encoder: str
    revision: str
    width: int
    """of a step; a token id is one number"""
    dataset_digest: str
    tokens_from: Literal["text_bert", "raw_text"]


class EncodingFolder:
    """The folder of one encoding, named after what was encoded by what."""

    def __init__(
        self,
        manifest: Manifest,
        data_dir: Path,
        *,
        kind: Literal["features", "tokens"],
        encoder: str,
        revision: str,
    ) -> None:
        named = f"{kind} {encoder} {revision} {manifest.digest}"
        key = hashlib.sha256(named.encode()).hexdigest()[:16]
        version = version_folder(manifest.dataset, data_dir, manifest.digest)
        self.folder = version / FOLDERS.replace("*", key)

    def encoding(self) -> Encoding | None:
        """Return the record of the encoding; none before `begin`, or when it is damaged."""
        return _read(self.folder)

    def begin(self, encoding: Encoding) -> None:
        """Record what is going to be encoded."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replaced_whole(self.folder / FILE_NAME) as unfinished:
            unfinished.write_text(encoding.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def split(self, name: str) -> "EncodedSplit":
        """Return one split of it."""
        return EncodedSplit(self.folder, name)


class EncodedSplit:
    """One split of an encoding on disk, finished or not."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.arrow"
        self._checksum = folder / f"{name}{CHECKSUM}"
        self._parts = folder / f"{name}.parts"
        self._lock = folder / f"{name}.lock"

    @property
    def finished(self) -> bool:
        """Whether it was written to its end; what became of it since is told by `sound`."""
        return self._checksum.is_file() and self.path.is_file()

    @property
    def sound(self) -> bool:
        """Whether it is finished and, read through, just as it was written."""
        return _is_as_written(self.path, self._checksum)

    def open(self) -> Sequences:
        """Open a finished split as a memory map.

        Raises:
            BadInputError: when it is missing or cut short.
        """
        try:
            return sequences_of(open_columns(self.path).column(COLUMN))
        except (OSError, pa.ArrowException) as error:
            raise BadInputError(
                f"{self.path} is missing or damaged; a new search encodes the text again"
            ) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold a lock, so that of two processes one encodes, and the other finds it done."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def has_part(self, number: int) -> bool:
        """Tell whether a part was written and, read through, is just as it was."""
        part = self._part(number)
        return _is_as_written(part, part.with_suffix(CHECKSUM))

    def write_part(self, number: int, sequences: Sequences) -> None:
        """Write some clips of the split, at once or not at all."""
        part = self._part(number)
        self._write(sequences_column(sequences), part, part.with_suffix(CHECKSUM))

    def finish(self, parts: int) -> None:
        """Make one file of all parts, record its checksum, and remove them."""
        columns = [open_columns(self._part(number)).column(COLUMN) for number in range(parts)]
        self._write(pa.concat_arrays(columns), self.path, self._checksum)
        shutil.rmtree(self._parts)

    def _write(self, column: Any, path: Path, checksum: Path) -> None:
        """Write a file, its checksum first, so that it is whole from when it is there."""
        self._parts.mkdir(exist_ok=True)
        unfinished, unfinished_checksum = self._parts / "unfinished", self._parts / "checksum"
        write_columns({COLUMN: column}, unfinished)
        unfinished_checksum.write_text(f"{sha256_of(unfinished)}  {path.name}\n", encoding="utf-8")
        unfinished_checksum.replace(checksum)
        unfinished.replace(path)

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:05d}.arrow"


class EncodedText(Record):
    """An encoding of a stored dataset, and which splits it has in full."""

    encoding: Encoding
    finished: tuple[str, ...]


def list_encoded(manifest: Manifest, data_dir: Path) -> list[EncodedText]:
    """Return what was encoded of the stored version of a dataset."""
    folders = sorted(version_folder(manifest.dataset, data_dir, manifest.digest).glob(FOLDERS))
    return [
        EncodedText(
            encoding=encoding,
            finished=tuple(name for name in SPLITS if EncodedSplit(folder, name).finished),
        )
        for folder in folders
        if (encoding := _read(folder)) is not None
    ]


def _read(folder: Path) -> Encoding | None:
    try:
        encoding = Encoding.model_validate_json((folder / FILE_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, ValidationError):
        return None
    return encoding if encoding.format == FORMAT else None


def _is_as_written(path: Path, checksum: Path) -> bool:
    try:
        return checksum.read_bytes().split()[:1] == [sha256_of(path).encode()]
    except FileNotFoundError:
        return False
