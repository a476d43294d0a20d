"""Files that are there as a whole or not at all, whenever their writer is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Give the path to write to, in the same folder; at the end it takes the place of `path`.

    Where the writing fails a former file stays as it was. Each process has a path of its own, for
    another one may be at the same file.

    Raises:
        OSError: when the file cannot take its place.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
