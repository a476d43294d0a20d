"""The report in Markdown: the same words and tables, for where a page is not shown."""

import re
from collections.abc import Iterable, Iterator, Sequence

from tracking.promotion_report.blocks import (
    Block,
    Commands,
    Document,
    Facts,
    Links,
    Pictures,
    Points,
    Strips,
    Table,
    Words,
)

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&!])")
_BEGINS_A_LIST = re.compile(r"^([-+])(?=\s|$)|^(\d+)([.)])(?=\s|$)")
_OUTSIDE_OF_ADDRESSES = str.maketrans(
    {"(": "%28", ")": "%29", " ": "%20", "<": "%3C", ">": "%3E", "\\": "%5C", "\n": "%0A"}
)


def markdown_of(document: Document) -> str:
    """Return the report as GitHub's Markdown."""
    winner, *others = document.verdict
    parts = [
        f"# {plain(document.title)}",
        plain(document.kind),
        f"**{plain(winner)}**",
        plain(" ".join(others)),
        *_items(document.remarks),
        plain(" ".join(document.standing)),
    ]
    for section in document.sections:
        parts.append(f"## {plain(section.heading)}")
        for block in section.blocks:
            parts += _block(block)
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Return a text on one line that Markdown shows letter by letter."""
    escaped = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _BEGINS_A_LIST.sub(r"\2\\\1\3", escaped)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Words():
            yield plain(block.text)
        case Points():
            yield from _items(block.items)
        case Table():
            yield _table(block)
        case Strips():
            return
        case Facts():
            yield from _facts(block)
        case Links():
            yield from _lists(
                f"[{plain(what)}]({address_of(link)})" for what, link in block.addresses.items()
            )
        case Commands():
            for what, line in block.lines.items():
                yield f"{plain(what)}:"
                yield _fenced(line)
        case Pictures():
            for figure in block.figures:
                caption = plain(figure.caption)
                if figure.file is None:
                    yield f"{caption} (in the page)"
                else:
                    yield f"![{caption}]({address_of(figure.file)})"
                    yield caption


def address_of(link: str) -> str:
    """Return an address that does not end the parentheses around it."""
    return link.translate(_OUTSIDE_OF_ADDRESSES)


def _items(sentences: Sequence[str]) -> Iterator[str]:
    yield from _lists(plain(sentence) for sentence in sentences)


def _lists(items: Iterable[str]) -> Iterator[str]:
    lines = [f"- {item}" for item in items]
    if lines:
        yield "\n".join(lines)


def _facts(facts: Facts) -> Iterator[str]:
    title = f"{facts.folded}: " if facts.folded else ""
    values = "; ".join(f"{name} {value}" for name, value in facts.values.items())
    yield plain(f"{title}{values}.")


def _table(table: Table) -> str:
    lines = [_line(map(plain, table.head)), _line(["---"] + ["--:"] * (len(table.head) - 1))]
    for row in table.rows:
        first, *others = map(plain, row.cells)
        if row.link is not None:
            first = f"[{first}]({address_of(row.link)})"
        lines.append(_line([first, *others]))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fenced(line: str) -> str:
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{line}\n{fence}"
