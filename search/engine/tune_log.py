"""What Ray Tune said of every trial, line by line in the study's folder, for an audit to read.

Tune's own files are of one run and written now and then; this one is of all runs of a study, and
has what Tune said before anything was made of it.
"""

import json
from pathlib import Path
from typing import Literal, NamedTuple

from search.engine.line_file import complete_lines, open_for_lines

TUNE_LOG_FILE = "tune.jsonl"
"""what Ray Tune said of every trial"""

TuneStatus = Literal["TERMINATED", "ERROR"]


class TuneTrial(NamedTuple):
    """What Tune last said of a trial."""

    epochs: int
    """the last one that it reported"""
    status: TuneStatus | None
    """none while it was under way"""
    finite: bool = True
    """whether all that it reported were numbers; `epochs` counts what came before another one"""


class TuneLog:
    """Takes in what Tune says."""

    def __init__(self, folder: Path) -> None:
        self._file = open_for_lines(folder / TUNE_LOG_FILE)

    def result(self, number: int, epoch: int, *, finite: bool = True) -> None:
        """Keep that Tune had a result of a trial, which may be one that is not a number."""
        line: dict[str, int | str] = {"trial": number, "epoch": epoch}
        self._write(line if finite else {**line, "finite": False})

    def ended(self, number: int, status: TuneStatus) -> None:
        """Keep that a trial ended for Tune."""
        self._write({"trial": number, "status": status})

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _write(self, line: dict[str, int | str]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read_tune_log(folder: Path) -> dict[int, TuneTrial]:
    """Return what Tune last said of each trial, by its number."""
    trials: dict[int, TuneTrial] = {}
    for line in map(json.loads, complete_lines(folder / TUNE_LOG_FILE)):
        number = line["trial"]
        known = trials.get(number, TuneTrial(0, None))
        if "status" in line:
            trials[number] = known._replace(status=line["status"])
        elif "finite" in line:
            trials[number] = TuneTrial(known.epochs, None, finite=False)
        else:
            trials[number] = TuneTrial(max(known.epochs, line["epoch"]), None)
    return trials
