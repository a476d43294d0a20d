"""Files and folders that are there as a whole or not at all, whenever their writer is killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from dlf.command import WorkFailedError, reason_of


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Give the path to write to, in the same folder; at the end it takes the place of `path`.

    Where the writing fails a former file stays as it was. Every writer has a path of its own, for
    another one may be at the same file, perhaps on another machine.

    Raises:
        OSError: when the file cannot take its place.
    """
    unfinished = path.with_name(f"{path.name}.{uuid4().int}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_or_fail(path: Path, text: str) -> None:
    """Write a file as a whole, in a folder that is made if it is missing.

    Raises:
        WorkFailedError: when that cannot be done.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkFailedError(f"{path} cannot be written: {reason_of(error)}") from error


@contextmanager
def folder_replaced_whole(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; at the end it takes the place of `folder`.

    Where the writing fails a former folder stays as it was. Whoever is killed meanwhile leaves a
    folder beside it, with a dot and a number after its name.

    Raises:
        OSError: when the folder cannot be made or take its place.
    """
    unfinished = folder.with_name(f"{folder.name}.{uuid4().int}")
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
