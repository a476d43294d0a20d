"""A search on a terminal of its own, and two moments of it as a piece of HTML."""

import re
from html import escape
from itertools import groupby
from pathlib import Path

from pyte.screens import Char

from tests.support.pseudo_terminal import PseudoTerminal

COLUMNS, ROWS = 88, 40
COLORS = {
    "default": "#d7dce2",
    "black": "#6b7480",
    "red": "#f2777a",
    "green": "#8fce8f",
    "brown": "#e8c36a",
    "blue": "#7fb2e5",
    "magenta": "#c99bd6",
    "cyan": "#79c9c4",
    "white": "#ffffff",
}
DONE = re.compile(r"(\d+) of \d+ trials done")
GAP = "\n<i>and in the end</i>\n"
PACE = 3
"""trials between two looks, each of which waits for a minute at most"""
PROGRAM = (
    "import os, runpy, sys; os.chdir({folder!r}); sys.argv = {words}; "
    "runpy.run_path({script!r}, run_name='__main__')"
)
RESULT = re.compile(r"\d+ complete, \d+ pruned")
"""the first of the lines that a search ends with, of which those up to the next are shown"""
NEXT_STEPS = "compare the trials"


def search_on_terminal(
    script: Path, words: list[str], folder: Path, *, shown: str, at: int, trials: int
) -> str:
    """Run a search, and return its terminal as it was after so many trials, and in the end.

    Args:
        script: `search/run.py`.
        words: its command line.
        folder: where it is typed.
        shown: the command as a reader would type it.
        at: how many trials were done at the moment that is kept.
        trials: how many there are.
    """
    frame = ""
    with PseudoTerminal(COLUMNS, ROWS) as terminal:
        words = [str(script), *words]
        terminal.run(PROGRAM.format(folder=str(folder), words=words, script=str(script)))
        for done in [*range(1, at, PACE), at, *range(at + PACE, trials, PACE)]:
            terminal.until(lambda lines, done=done: trials_done(lines) >= done)  # type: ignore[misc]
            if done == at:
                frame = "\n".join([f"<b>$ {escape(shown)}</b>", *html_lines(terminal)])
        terminal.wait()
        lines = terminal.lines
        first = next(row for row, line in enumerate(lines) if RESULT.match(line))
        last = next(row for row, line in enumerate(lines) if line.startswith(NEXT_STEPS))
        result = html_lines(terminal)[first:last]
    return "\n".join([frame, GAP, *result]).rstrip()


def trials_done(lines: list[str]) -> int:
    """Return how many trials a live view says are done; after its end, as many as there can be."""
    found = [int(match[1]) for line in lines if (match := DONE.search(line))]
    return max(found, default=0)


def html_lines(terminal: PseudoTerminal) -> list[str]:
    """Return the screen, without blank lines at its end, as lines of a `pre`."""
    return [_line(cells) for cells in terminal.cells][: len(terminal.lines)]


def _line(cells: list[Char]) -> str:
    pieces = []
    for (color, bold), run in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
        text = escape("".join(cell.data for cell in run))
        shade = COLORS.get(color, f"#{color}")
        weight = ";font-weight:bold" if bold else ""
        pieces.append(f'<span style="color:{shade}{weight}">{text}</span>')
    return "".join(pieces)
