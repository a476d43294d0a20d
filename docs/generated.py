"""A Sphinx extension: fills the tables of the reference from the code, at every build.

A page says where with a comment of its own, `<!-- generated: command_line -->`, which names the
module of this folder's `tables` whose `table` function writes what comes there, as Markdown.
"""

import re
from collections.abc import Sequence
from importlib import import_module

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Fill pages as they are read, and read those again that are filled."""
    app.connect("source-read", fill)
    app.connect("env-get-outdated", filled_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def fill(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Put tables in place of the marks of a page."""
    source[0] = MARK.sub(lambda mark: table(mark[1]), source[0])


def table(name: str) -> str:
    """Return what one of the modules writes.

    Raises:
        ModuleNotFoundError: when there is none of that name.
    """
    written: str = import_module(f"docs.tables.{name}").table()
    return written


def filled_pages(
    _app: Sphinx,
    env: BuildEnvironment,
    _added: set[str],
    _changed: set[str],
    _removed: set[str],
) -> Sequence[str]:
    """Return the pages that have marks: the code may have changed where they have not."""
    return [
        page
        for page in env.found_docs
        if MARK.search(env.doc2path(page).read_text(encoding="utf-8"))
    ]
