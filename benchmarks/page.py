"""docs/performance.md, written from the records: no figure in it is typed by hand."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from benchmarks.measurement import Measurement
from benchmarks.recorded import RESULTS, Recorded, read_record
from benchmarks.studies import REFERENCES, STUDY_PREFIX, References, StudyFigures
from benchmarks.suite import SUITE
from dlf.whole_file import write_or_fail

TEMPLATES = Path(__file__).parent / "templates"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

UNRECORDED = "two cores of a virtual machine (AMD EPYC) without a GPU; no more was recorded then"

Records = Mapping[str, Recorded[Measurement]]


def read_records(folder: Path) -> Records:
    """Read all records that there are: of the suite in its order, then those of studies.

    One that another version of the code has written is told, and left out.
    """
    kinds: dict[str, type[Measurement]] = {name: one.measures for name, one in SUITE.items()}
    for file in sorted(folder.glob(f"{STUDY_PREFIX}*.json")):
        kinds[file.stem] = StudyFigures
    kinds[REFERENCES] = References
    found = {name: _read(folder, name, kind) for name, kind in kinds.items()}
    return {name: record for name, record in found.items() if record is not None}


def _read(folder: Path, name: str, kind: type[Measurement]) -> Recorded[Measurement] | None:
    try:
        return read_record(folder, name, kind)
    except ValidationError:
        print(
            f"{folder / name}.json is no record as this code writes them, and counts as not "
            "measured yet",
            file=sys.stderr,
        )
        return None


def environment() -> Environment:
    """Return the templates, with what formats figures; what is missing in a record is an error."""
    # Markdown, in which nothing is escaped: all that goes in are our own records.
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    templates.filters |= {"figure": figure, "percent": percent}
    return templates


def figure(value: float | None, digits: int = 0, sign: str = "") -> str:
    """Write a number with so many digits after the point; nothing for none."""
    return "" if value is None else f"{value:{sign},.{digits}f}"


def percent(value: float | None, digits: int = 0, sign: str = "") -> str:
    """Write a share as a percentage; nothing for none."""
    return "" if value is None else f"{value:{sign}.{digits}%}"


def render(records: Records, templates: Environment | None = None) -> str:
    """Return the page that the records give."""
    template = (templates or environment()).get_template("performance.md.jinja")
    return template.render(**content_of(records))


def content_of(records: Records) -> Mapping[str, Any]:
    """Return what the templates know."""
    machines = list(dict.fromkeys(map(_machine_words, records.values())))
    return {
        "records": records,
        "measured": {name: record.measured for name, record in records.items()},
        "suite": [name for name in SUITE if name in records],
        "absent": [name for name in SUITE if name not in records],
        "references": records.get(REFERENCES),
        "studies": {
            name: record
            for name, record in records.items()
            if isinstance(record.measured, StudyFigures)
        },
        "machines": machines,
        "machine_of": {
            name: 1 + machines.index(_machine_words(record)) for name, record in records.items()
        },
    }


def _machine_words(record: Recorded[Measurement]) -> str:
    machine = record.machine
    return UNRECORDED if machine is None else f"{machine}; {machine.software}"


def write_page(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Write the page from the records in a folder.

    Raises:
        WorkFailedError: when it cannot be written.
    """
    write_or_fail(page, render(read_records(results)))
