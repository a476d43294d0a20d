"""Every command of ours that a page shows is one that its own parser takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.tables.command_line import MODULES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "how-to").glob("*.md"))
PAGES += sorted((ROOT / "docs" / "explanation").glob("*.md"))

OURS = re.compile(r"python (search/\w+\.py|-m (?:dlf|search|tracking)(?:\.\w+)+)(?= )")
PARSERS = {
    parser.prog.removeprefix("python "): parser
    for parser in (module.argument_parser() for module in MODULES)
}


def commands_of(page: str) -> Iterator[list[str]]:
    """Yield what code blocks have, and not the prose around them."""
    for line in re.findall(r"^(?:    |\$ )(.*)$", page.replace("\\\n", " "), re.MULTILINE):
        found = OURS.search(line)
        # An address of S3 is asked for by its parser already.
        if found is not None and "..." not in line and "s3://" not in line:
            yield shlex.split(line[found.start(1) :], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_parsers_take_the_commands_of_a_page(page: Path) -> None:
    for command, *arguments in commands_of(page.read_text(encoding="utf-8")):
        name = f"-m {arguments.pop(0)}" if command == "-m" else command
        PARSERS[name].parse_args(arguments)


def test_commands_are_found() -> None:
    page = "Type\n    python -m search.status --study \\\n  NAME   # now\n$ python search/x.py -a\n"
    assert list(commands_of(page)) == [
        ["-m", "search.status", "--study", "NAME"],
        ["search/x.py", "-a"],
    ]
