"""Follow the links of the documentation: those of its Markdown, and those of its built pages.

    python -m sphinx -b html docs docs/_build/html
    python -m docs.check_links

Markdown is read as people read it on a code host: a link leads to a file, and its anchor to a
heading there. Built pages are followed from their index, through a server of this process, since
LinkChecker reads as nobody what root has built; addresses on the network are not asked. Exits with
1 when a link is broken.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, AnyStr
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

from dlf.command import EXIT_DONE, CommandParser, WorkFailedError, run_command
from docs.generated import MARK, table

if TYPE_CHECKING:
    from _typeshed import SupportsRead, SupportsWrite

PROJECT = Path(__file__).parents[1]
PAGES = PROJECT / "docs" / "_build" / "html"
SETTINGS = Path(__file__).with_name("linkcheckerrc")


class Pages(SimpleHTTPRequestHandler):
    """Serves a folder, says nothing of it, and lets LinkChecker ask as fast as it can."""

    def end_headers(self) -> None:
        """Add the header without which LinkChecker pauses before each page."""
        self.send_header("LinkChecker", "unlimited")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep silent."""

    def copyfile(self, source: "SupportsRead[AnyStr]", outputfile: "SupportsWrite[AnyStr]") -> None:
        """Send a file; LinkChecker hangs up on one as soon as it has seen what it is."""
        with suppress(BrokenPipeError, ConnectionResetError):
            super().copyfile(source, outputfile)


def main() -> int:
    """Check all links; raise `WorkFailedError` when one is broken."""
    parser = CommandParser(prog="python -m docs.check_links", description="Follow all links.")
    parser.add_argument("--pages", type=Path, default=PAGES, metavar="DIR", help="the built pages")
    arguments = parser.parse_args()
    broken = [f"{file.relative_to(PROJECT)}: {link}" for file, link in broken_links(sources())]
    print(*broken, sep="\n" if broken else "")
    followed = follow(arguments.pages)
    if broken or not followed:
        raise WorkFailedError("some links are broken")
    return EXIT_DONE


def sources() -> list[Path]:
    """Return the Markdown files of the project that people read."""
    return [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]


def broken_links(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the links of Markdown files that lead to no file, or to no heading of one."""
    for file in files:
        for link in _links(_tokens(file)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists() or (parts.fragment and parts.fragment not in anchors(target)):
                yield file, link


@cache
def anchors(file: Path) -> frozenset[str]:
    """Return the anchors of a Markdown file, those of generated headings included."""
    return frozenset(
        str(token.attrs["id"]) for token in _tokens(file, filled=True) if "id" in token.attrs
    )


def follow(pages: Path) -> bool:
    """Follow the links of built pages from their index; return whether all lead somewhere."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(pages))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        index = f"http://127.0.0.1:{server.server_port}/index.html"
        command = [sys.executable, "-m", "linkcheck", "--config", str(SETTINGS), index]
        followed = subprocess.run(command, check=False).returncode == 0
        server.shutdown()
    return followed


def _tokens(file: Path, *, filled: bool = False) -> list[Token]:
    text = file.read_text(encoding="utf-8")
    if filled:
        text = MARK.sub(lambda mark: table(mark[1]), text)
    return MarkdownIt().enable("table").use(anchors_plugin, max_level=6).parse(text)


def _links(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "link_open":
            yield str(token.attrs["href"])
        elif token.type == "image":
            yield str(token.attrs["src"])
        yield from _links(token.children or ())


if __name__ == "__main__":
    run_command(main)
