"""One live view of a search on a terminal, drawn again and again in the same few lines.

All drawing is done on a thread of its own, so that a terminal that is slow, or held by Ctrl-S, does
not make the search wait.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from threading import Event, Thread
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from tracking.records import Summary, TrialRecord
from tracking.terminal.onlooker import Onlooker, shown_on
from tracking.terminal.progress import Progress, Standing, shown_span

SECONDS_BETWEEN_FRAMES = 0.25
BETWEEN_CELLS = "   "
CUT_OFF = "..."


class LiveView(Onlooker):
    """Draws how the search stands, and leaves the last state behind when it ends.

    What others print to standard output and error in the meantime comes above the view.
    """

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        super().__init__(stream, progress)
        self._finished = Event()
        # A daemon, so that a held terminal does not keep a program that dies.
        self._artist = Thread(target=self._draw, name="live view", daemon=True)

    def start_trial(self, trial: TrialRecord) -> None:
        """Count it, and begin to draw."""
        super().start_trial(trial)
        self._appear()

    def say(self, text: str) -> None:
        """Show it among the last events."""
        with self._lock:
            self._progress.say(text)
        self._appear()

    def finish(self, summary: Summary) -> None:
        """Draw for the last time; a view that nothing was told does not appear."""
        super().finish(summary)
        self._finished.set()
        if self._artist.ident is not None:
            self._artist.join()

    def _appear(self) -> None:
        with self._lock:
            if self._artist.ident is None:
                self._artist.start()

    def _draw(self) -> None:
        # A terminal may go away, and the search goes on without it.
        with suppress(OSError), self._live() as live:
            # Never hidden, so that a search that is killed leaves a terminal that is well.
            live.console.show_cursor(True)
            drawn: list[Text] = []
            going_on = True
            while going_on:
                frame = self._frame()
                lines = frame.lines(live.console.width)
                if lines != drawn:
                    live.update(frame, refresh=True)
                    drawn = lines
                going_on = not self._finished.wait(SECONDS_BETWEEN_FRAMES)
            live.update(self._frame())

    def _live(self) -> Live:
        console = Console(
            file=self._stream, force_terminal=True, markup=False, highlight=False, emoji=False
        )
        return Live(
            console=console,
            auto_refresh=False,
            # An error stream that goes elsewhere is to stay there.
            redirect_stderr=sys.stderr.isatty(),
            vertical_overflow="crop",
        )

    def _frame(self) -> "Frame":
        with self._lock:
            return Frame(self._progress.standing(), self._stream)


class Frame:
    """How a search stands, laid out for any width."""

    def __init__(self, standing: Standing, stream: TextIO) -> None:
        self._standing = standing
        self._stream = stream

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width)

    def lines(self, width: int) -> list[Text]:
        """Return the lines, none of which is wider than so many columns.

        The last one is empty until the search has ended: there the terminal's cursor waits, and
        what is typed there, such as Ctrl-C, disturbs nothing.
        """
        standing = self._standing
        lines = [
            *_flow(self._counts(), width),
            *_flow(self._best(), width),
            *_flow(self._pace(), width),
            *(_cut(line, width) for line in self._events()),
        ]
        return lines if standing.took is not None else [*lines, Text()]

    def _counts(self) -> list[Text]:
        standing = self._standing
        return [
            Text(f"{standing.done} of {standing.total} trials done"),
            Text(f"{standing.running} {'running' if standing.took is None else 'unfinished'}"),
            Text(f"{standing.complete} complete"),
            Text(f"{standing.pruned} pruned"),
            Text(f"{standing.failed} failed", "red" if standing.failed else ""),
        ]

    def _best(self) -> list[Text]:
        best, now = self._standing.best, self._standing.now
        if best is None:
            return [Text("best validation MAE -")]
        ago = shown_span(max(0.0, (now - best.at).total_seconds()))
        return [
            Text(f"best validation MAE {best.value:.3f}", "bold"),
            self._text(best.name),
            Text(f"since {_shown_minute(best.at, now)} ({ago} ago)"),
        ]

    def _pace(self) -> list[Text]:
        standing = self._standing
        rate, left, took = standing.epochs_per_minute, standing.time_left, standing.took
        pace = Text("- epochs/min" if rate is None else f"{rate:.1f} epochs/min")
        if took is not None:
            return [pace, Text(f"took {shown_span(took)}")]
        if left is None:
            return [pace, Text("time left -")]
        word = "at most" if left.at_most else "about"
        return [pace, Text(f"time left {word} {shown_span(left.seconds)}")]

    def _events(self) -> Iterable[Text]:
        for event in self._standing.events:
            mark = "*" if event.new_best else " "
            text = self._text(f"{mark} {event.text}", "bold" if event.new_best else "")
            yield Text.assemble((f"{event.at:%H:%M:%S}", "dim"), " ", text)

    def _text(self, text: str, style: str = "") -> Text:
        return Text(shown_on(self._stream, text), style)


def _flow(cells: Iterable[Text], width: int) -> list[Text]:
    """Put cells side by side, in as many lines as it takes."""
    lines: list[Text] = []
    for cell in cells:
        if lines and lines[-1].cell_len + len(BETWEEN_CELLS) + cell.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], BETWEEN_CELLS, cell)
        else:
            lines.append(cell)
    return [_cut(line, width) for line in lines]


def _cut(line: Text, width: int) -> Text:
    """Return a line no wider than so many columns."""
    if line.cell_len <= width:
        return line
    line = line.copy()
    if width <= len(CUT_OFF):
        line.truncate(width, overflow="crop")
        return line
    line.truncate(width - len(CUT_OFF), overflow="crop")
    return line.append(CUT_OFF)


def _shown_minute(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"
