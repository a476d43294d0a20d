"""What the report is made of, the same for the page and the Markdown: headings, words, tables."""

from collections.abc import Mapping, Sequence
from typing import Literal

from tracking.promotion_report.records import Figure
from tracking.records import Record

Mark = Literal["", "kept", "paper", "gone"]
"""what a row is of: what is kept, the paper's configuration, or who was dropped or failed"""


class Words(Record):
    """A paragraph."""

    kind: Literal["words"] = "words"
    text: str
    note: bool = False
    """whether it is of less weight"""


class Points(Record):
    """A list of sentences."""

    kind: Literal["points"] = "points"
    items: Sequence[str]


class Row(Record):
    """A row of a table; what stands after a line break in a cell is its second line."""

    cells: Sequence[str]
    mark: Mark = ""
    link: str | None = None
    """of its first cell"""


class Table(Record):
    """A table whose first column names its rows."""

    kind: Literal["table"] = "table"
    head: Sequence[str]
    rows: Sequence[Row]


class Strip(Record):
    """One finalist's interval on a scale from 0 to 1; of what lies beyond its end there is none."""

    name: str
    mark: Mark
    low: float | None
    mean: float | None
    high: float | None
    seeds: Sequence[float]
    text: str
    """the same in words"""


class Strips(Record):
    """Intervals on a common scale; a picture of a table, so that the Markdown does without."""

    kind: Literal["strips"] = "strips"
    strips: Sequence[Strip]
    ticks: Sequence[tuple[float, str]]
    title: str


class Facts(Record):
    """Values by name, long ones among them."""

    kind: Literal["facts"] = "facts"
    values: Mapping[str, str]
    folded: str = ""
    """a title under which they are hidden until somebody asks"""


class Links(Record):
    """Addresses by what they lead to."""

    kind: Literal["links"] = "links"
    addresses: Mapping[str, str]


class Commands(Record):
    """Command lines by what they do."""

    kind: Literal["commands"] = "commands"
    lines: Mapping[str, str]


class Pictures(Record):
    """Figures with their captions."""

    kind: Literal["pictures"] = "pictures"
    figures: Sequence[Figure]


Block = Words | Points | Table | Strips | Facts | Links | Commands | Pictures


class Section(Record):
    """A heading and what stands below it."""

    name: str
    """in the address of its place"""
    heading: str
    blocks: Sequence[Block]


class Document(Record):
    """The whole report."""

    kind: str
    """what it is a report of"""
    title: str
    verdict: Sequence[str]
    """its three sentences"""
    remarks: Sequence[str]
    standing: Sequence[str]
    """what became of the model, and when this was written"""
    sections: Sequence[Section]
