"""Files of one JSON object a line, appended to as things happen and read after a crash."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


def open_for_lines(path: Path) -> TextIO:
    """Open a file for appending, after a last line without an end was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _cut_torn_line(path)
    return path.open("a", encoding="utf-8")


def complete_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, none where there is no file, without a torn last one."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield line


def _cut_torn_line(path: Path, step: int = 65536) -> None:
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - step)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)
