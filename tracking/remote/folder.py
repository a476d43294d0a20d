"""A folder on a file system that pyarrow knows by its URI: s3://, gs://, abfs://, hdfs://, file://.

Files are replaced as a whole. What goes wrong is an `OSError` that says so in a few words.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from time import monotonic
from typing import IO, Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from pyarrow import ArrowException
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, S3FileSystem

from dlf.command import BadInputError
from tracking.passwords import without_password
from tracking.records import Record

OBJECT_STORES = ("s3", "gcs", "abfs")
"""where an object is there as a whole, or not at all, when its writing ends"""
EXAMPLES = "s3://bucket/folder, gs://bucket/folder or hdfs://host:port/folder"
S3_PATIENCE = {"connect_timeout": 3.0, "request_timeout": 5.0}
"""in seconds, of each of three tries"""
CHUNK_BYTES = 4 << 20


_silent: dict[str, tuple[float, str]] = {}
"""until when a host is not asked again, and what it said the last time"""


class Version(Record):
    """By which one tells whether a file was replaced."""

    size: int
    mtime_ns: int


class RemoteFolder(Record):
    """A folder, which need not exist until something is written."""

    uri: str
    """credentials and options of the file system included"""

    @classmethod
    def at(cls, uri: str) -> Self:
        """Return the folder at an address; nobody is asked whether it is there.

        Raises:
            BadInputError: for an address that no file system has.
        """
        folder = cls(uri=uri)
        try:
            _, path = _opened(uri)
        except (ArrowException, OSError) as error:
            raise folder.unusable(words_of(error)) from error
        if not path.strip("/"):
            raise folder.unusable("it names no folder")
        return folder

    def child(self, name: str) -> Self:
        """Return the folder of a name within this one."""
        address, mark, options = self.uri.partition("?")
        return type(self)(uri=f"{address.rstrip('/')}/{name}{mark}{options}")

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown})"

    @property
    def shown(self) -> str:
        """The address as people may see it: without its password and its options."""
        return without_password(self.uri.partition("?")[0])

    def unusable(self, reason: str) -> BadInputError:
        """Return the error that says why nothing can be kept there."""
        return BadInputError(
            f"the --output {self.shown} cannot be used ({reason.replace(self.uri, self.shown)}); "
            f"it is a folder, or an address such as {EXAMPLES}"
        )

    def make(self) -> None:
        """Make the folder, unless it is there."""
        with self._in_use() as (filesystem, path):
            filesystem.create_dir(path, recursive=True)

    def look(self) -> None:
        """Raise `OSError` where nothing can be read: a bucket that is not there, no permission."""
        with self._in_use() as (filesystem, path), suppress(FileNotFoundError):
            filesystem.get_file_info(FileSelector(path))

    def files(self) -> dict[str, Version]:
        """Return all files below the folder, by their names relative to it."""
        with self._in_use() as (filesystem, path):
            selector = FileSelector(path, recursive=True, allow_not_found=True)
            found = filesystem.get_file_info(selector)
        start = len(path) + 1
        return {info.path[start:]: _version(info) for info in found if info.is_file}

    def versions(self, names: Sequence[str]) -> dict[str, Version]:
        """Return those of these files that are there."""
        with self._in_use() as (filesystem, path):
            found = filesystem.get_file_info([f"{path}/{name}" for name in names])
        return {
            name: _version(info) for name, info in zip(names, found, strict=True) if info.is_file
        }

    def folders(self) -> list[str]:
        """Return the names of the folders within this one."""
        with self._in_use() as (filesystem, path):
            found = filesystem.get_file_info(FileSelector(path, allow_not_found=True))
        return [info.base_name for info in found if info.type is FileType.Directory]

    def upload(self, name: str, source: IO[bytes], size: int | None = None) -> None:
        """Replace a file by what a local one has from here on, up to `size` bytes."""
        with self._in_use() as (filesystem, path):
            target = f"{path}/{name}"
            if filesystem.type_name in OBJECT_STORES:
                _write(filesystem, target, source, size)
                return
            filesystem.create_dir(target.rpartition("/")[0], recursive=True)
            # Another process may be at the same file, on another machine perhaps.
            unfinished = f"{target}.{uuid4().int}"
            try:
                _write(filesystem, unfinished, source, size)
                if filesystem.type_name == "hdfs" and self.versions([name]):
                    # It moves nothing onto a file that is there.
                    filesystem.delete_file(target)
                filesystem.move(unfinished, target)
            except OSError:
                with suppress(OSError):
                    filesystem.delete_file(unfinished)
                raise

    def download(self, name: str, target: IO[bytes]) -> None:
        """Write what a file has to a local one.

        Raises:
            FileNotFoundError: when it is not there.
        """
        with (
            self._in_use() as (filesystem, path),
            filesystem.open_input_stream(f"{path}/{name}") as source,
        ):
            while chunk := source.read(CHUNK_BYTES):
                target.write(chunk)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._in_use() as (filesystem, path), suppress(FileNotFoundError):
            filesystem.delete_file(f"{path}/{name}")

    def delete_folder(self, name: str) -> None:
        """Remove a folder and all that it has, if it is there."""
        with self._in_use() as (filesystem, path), suppress(FileNotFoundError):
            filesystem.delete_dir(f"{path}/{name}")

    @contextmanager
    def _in_use(self) -> Iterator[tuple[Any, str]]:
        """Give the file system and the path in it; what goes wrong is told in a few words.

        One that has kept us waiting in vain is not asked for as long again, so that whoever cannot
        do without it waits for half of the time at most.
        """
        begun, address = monotonic(), urlsplit(self.uri)
        host = f"{address.netloc}?{address.query}"
        until, reason = _silent.get(host, (begun, ""))
        if begun < until:
            raise OSError(reason)
        try:
            filesystem, path = _opened(self.uri)
            yield filesystem, path.rstrip("/")
        except FileNotFoundError:
            raise
        except (OSError, ArrowException) as error:
            now = monotonic()
            _silent[host] = (now + (now - begun), words_of(error))
            raise OSError(words_of(error)) from error


def words_of(error: BaseException) -> str:
    """Return what a file system says, without the requests and addresses around it."""
    said = str(error).partition("\n")[0]
    said = re.sub(r"^.*?AWS Error ", "", said)
    said = re.sub(r"\s*(\(Request ID.*|; Details: .*)$", "", said)
    return said[:200] or type(error).__name__


def _write(filesystem: Any, path: str, source: IO[bytes], size: int | None) -> None:
    left = size
    with filesystem.open_output_stream(path) as target:
        while chunk := source.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
            target.write(chunk)
            left = None if left is None else left - len(chunk)


def _version(info: FileInfo) -> Version:
    return Version(size=info.size, mtime_ns=info.mtime_ns or 0)


@cache
def _opened(uri: str) -> tuple[FileSystem, str]:
    filesystem, path = FileSystem.from_uri(uri)
    if isinstance(filesystem, S3FileSystem):
        # An address has no place for these, and as they are a silent store is waited for 100 s.
        make, (options,) = filesystem.__reduce__()
        filesystem = make({**options, **S3_PATIENCE})
    return filesystem, path
