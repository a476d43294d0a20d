"""The records that are kept: what a benchmark came to, with its machine, date, code and command."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import AwareDatetime

from benchmarks.machine import Machine
from benchmarks.measurement import Measurement, Record
from dlf.whole_file import write_or_fail

RESULTS = Path(__file__).parent / "results"

Measured = TypeVar("Measured", bound=Measurement, covariant=True)


class Recorded(Record, Generic[Measured]):
    """A measurement and where it is from."""

    command: str
    date: AwareDatetime
    code: str
    """the revision that ran"""
    machine: Machine | None
    """none for what was measured before records were kept"""
    load: tuple[float, float] | None
    """the system's load average before and after, of one minute; none where nobody looked"""
    minutes: float | None
    remark: str = ""
    """what a reader should know beside the figures"""
    measured: Measured

    @property
    def day(self) -> str:
        """The date alone."""
        return f"{self.date:%Y-%m-%d}"

    def write(self, folder: Path, name: str) -> Path:
        """Write the record into a folder, in the place of an older one of that name.

        Raises:
            WorkFailedError: when it cannot be written.
        """
        file = folder / f"{name}.json"
        write_or_fail(file, self.model_dump_json(indent=1) + "\n")
        return file


def read_record(folder: Path, name: str, kind: type[Measured]) -> Recorded[Measured] | None:
    """Read the record of a name; none where there is none.

    Raises:
        ValidationError: when it is not one of this kind.
    """
    file = folder / f"{name}.json"
    if not file.exists():
        return None
    return Recorded[kind].model_validate_json(file.read_bytes())  # type: ignore[valid-type]


def now() -> datetime:
    """Return the time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
