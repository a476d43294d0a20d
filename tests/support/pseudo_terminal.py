"""A program on a terminal of its own, and what a person would see there."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from types import TracebackType

import pyte
from pyte.screens import Char

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0

FOLLOW_ORDERS = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for order in os.fdopen({orders}):
    exec(order.replace("\\\\r", "\\n"))
"""


class PseudoTerminal:
    """Runs Python, a piece after another, on a terminal of so many columns and rows."""

    def __init__(
        self,
        columns: int,
        rows: int = 24,
        *,
        environment: Mapping[str, str] | None = None,
        errors_to: Path | None = None,
    ) -> None:
        self.written = b""
        """all that the program wrote"""
        self._screen = pyte.Screen(columns, rows)
        self._bytes = pyte.ByteStream(self._screen)
        self._end, program_end = pty.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(program_end, termios.TIOCSWINSZ, size)
        orders, self._orders = os.pipe()
        unwanted = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
        inherited = {key: value for key, value in os.environ.items() if key not in unwanted}
        errors = errors_to.open("wb") if errors_to else None
        self.program = subprocess.Popen(
            [sys.executable, "-u", "-c", FOLLOW_ORDERS.format(orders=orders)],
            stdin=program_end,
            stdout=program_end,
            stderr=errors or program_end,
            cwd=ROOT,
            env={**inherited, "TERM": "xterm-256color", **(environment or {})},
            pass_fds=[orders],
            start_new_session=True,
        )
        for end in (program_end, orders):
            os.close(end)
        if errors:
            errors.close()

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self._orders)
        os.close(self._end)

    def run(self, code: str) -> None:
        """Have the program run a piece of Python, in the order given."""
        os.write(self._orders, code.replace("\n", "\\r").encode() + b"\n")

    def press(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._end, keys)

    def until(self, seen: Callable[[list[str]], bool]) -> None:
        """Wait until the screen's lines, without blank ones at the end, are as they should be."""
        deadline = monotonic() + DEADLINE_SECONDS
        while not seen(self.lines):
            assert monotonic() < deadline, "\n".join(["there is only:", *self.lines])
            self._read(deadline)

    def until_shown(self, text: str) -> None:
        """Wait until a text is on the screen."""
        self.until(lambda lines: any(text in line for line in lines))

    def until_screen(self, screen: list[str]) -> None:
        """Wait until these are the lines, with the cursor, which can be seen, below them."""
        below = (0, len(screen), True)
        self.until(lambda lines: lines == screen and self.cursor == below)

    def close(self) -> int:
        """Let the program end; return its exit code, minus the signal that killed it."""
        os.close(self._orders)
        self._orders = os.open(os.devnull, os.O_WRONLY)
        return self.wait()

    def wait(self) -> int:
        """Read what the program writes until it ends."""
        deadline = monotonic() + DEADLINE_SECONDS
        while self._read(deadline):
            assert monotonic() < deadline, "the program does not end"
        return self.program.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """Kill the program where it stands."""
        self.program.send_signal(signal.SIGKILL)
        self.wait()

    @property
    def lines(self) -> list[str]:
        """The screen."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def cells(self) -> list[list[Char]]:
        """The screen with its colours, row by row."""
        columns = range(self._screen.columns)
        return [
            [self._screen.buffer[row][column] for column in columns]
            for row in range(self._screen.lines)
        ]

    @property
    def cursor(self) -> tuple[int, int, bool]:
        """Its column and row, from 0, and whether it can be seen."""
        cursor = self._screen.cursor
        return cursor.x, cursor.y, not cursor.hidden

    def _read(self, deadline: float) -> bool:
        """Take in something; return whether there can be more."""
        readable, _, _ = select.select([self._end], [], [], max(0.0, deadline - monotonic()))
        if not readable:
            return True
        try:
            piece = os.read(self._end, 65536)
        except OSError:
            # So Linux says that nobody holds the other end any more.
            return False
        self.written += piece
        self._bytes.feed(piece)
        return bool(piece)
