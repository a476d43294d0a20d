"""Tables in Markdown."""

import re
from collections.abc import Iterable, Sequence


def rows(heading: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """Return a table, with a line break at its end."""
    lines = [heading, ["---"] * len(heading), *cells]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def code(text: object) -> str:
    """Return text as code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def plain(text: str) -> str:
    """Return Markdown that shows a text as it is."""
    return re.sub(r"[\\`*_$<\[\]]", r"\\\g<0>", text)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
