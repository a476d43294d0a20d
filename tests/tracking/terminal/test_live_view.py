"""The live view as a person sees it, on terminals of several sizes."""

import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.pseudo_terminal import PseudoTerminal
from tracking.records import Ending, Summary, TrialRecord
from tracking.terminal.live_view import LiveView
from tracking.terminal.progress import Bounds, Progress

# The program's time stands still unless a test moves it.
PRELUDE = """
import sys, warnings
from datetime import datetime, timedelta
from tracking.terminal.console import onlooker_on
from tracking.terminal.progress import Best, Bounds, Past, Progress
from tracking.records import Ending, Outcome, Summary, TrialRecord, TrialState

seconds = 0.0
def clock(): return seconds
def now(): return datetime(2026, 3, 1, 14, 0, 0) + timedelta(seconds=seconds)
def start(number, name=None):
    name = name or f"trial {number}"
    view.start_trial(TrialRecord(number=number, name=name, params={}, config_yaml="", seed=1))
def train(number, epochs, mae):
    global seconds
    for epoch in range(1, epochs + 1):
        seconds += 10.0
        view.log_epoch(number, epoch, {"valid/mae": mae})
def end(number, state, reason=None):
    view.end_trial(number, Outcome(state=TrialState(state), reason=reason))
def finish(ending=Ending.FINISHED):
    view.finish(Summary(ending=ending))
view = onlooker_on(sys.stdout, Progress(Bounds(trials=20), clock=clock, now=now))
print("study mosi-1: 20 trials, 2 at once")
"""

FOUR_TRIALS = """
start(0, "trial 0 (paper)"); train(0, 4, 0.9); end(0, "complete")
start(1); train(1, 2, 0.95); end(1, "pruned")
start(2); train(2, 6, 0.8); end(2, "complete")
start(3); start(4); train(3, 2, 0.85); end(3, "failed", "CUDA out of memory. " * 9)
"""

VIEW_AT_80_COLUMNS = [
    "4 of 20 trials done   1 running   2 complete   1 pruned   1 failed",
    "best validation MAE 0.800   trial 2   since 14:02 (20s ago)",
    "6.0 epochs/min   time left about 9m",
    "14:01:00   trial 1 pruned, MAE 0.950, 2 epochs",
    "14:02:00 * trial 2 complete, MAE 0.800, new best, 6 epochs",
    "14:02:20   trial 3 failed: CUDA out of memory. CUDA out of memory. CUDA out o...",
]

VIEW_AT_40_COLUMNS = [
    "4 of 20 trials done   1 running",
    "2 complete   1 pruned   1 failed",
    "best validation MAE 0.800   trial 2",
    "since 14:02 (20s ago)",
    "6.0 epochs/min   time left about 9m",
    "14:01:00   trial 1 pruned, MAE 0.950,...",
    "14:02:00 * trial 2 complete, MAE 0.80...",
    "14:02:20   trial 3 failed: CUDA out o...",
]

STOPPING = ["", "stopping safely; Ctrl-C again stops at once"]

FIRST_LINE = "study mosi-1: 20 trials, 2 at once"


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    with PseudoTerminal(80) as opened:
        opened.run(PRELUDE)
        yield opened


def is_shown(view: list[str]) -> Callable[[list[str]], bool]:
    """Tell whether the screen ends with the view."""
    return lambda lines: lines[-len(view) :] == view


@pytest.mark.parametrize(("columns", "view"), [(80, VIEW_AT_80_COLUMNS), (40, VIEW_AT_40_COLUMNS)])
def test_the_view_fits_the_terminal(columns: int, view: list[str]) -> None:
    with PseudoTerminal(columns) as terminal:
        terminal.run(PRELUDE + FOUR_TRIALS)
        terminal.until_screen([FIRST_LINE, *view])


@pytest.mark.parametrize("columns", [1, 3, 5, 11, 20])
def test_no_line_wraps_on_a_very_narrow_terminal(columns: int) -> None:
    with PseudoTerminal(columns, 30) as terminal:
        terminal.run(PRELUDE.replace(FIRST_LINE, "") + FOUR_TRIALS)
        stamp = "14:02:20   trial 3 failed"
        last = stamp[:columns] if columns <= 3 else f"{stamp[: columns - 3]}..."
        terminal.until(lambda lines: bool(lines) and lines[-1] == last.rstrip())
        written = re.sub(rb"\x1b\[[0-?]*[ -/]*[@-~]", b"", terminal.written).decode()
        assert max(map(len, re.split(r"[\r\n]+", written))) <= columns


def test_a_low_terminal_shows_what_fits() -> None:
    with PseudoTerminal(80, 4) as terminal:
        terminal.run(PRELUDE + FOUR_TRIALS)
        terminal.until(lambda lines: lines == VIEW_AT_80_COLUMNS[:4])
        terminal.run("finish(); print('the summary')")
        terminal.until(lambda lines: lines == [*VIEW_AT_80_COLUMNS[-2:], "the summary"])


def test_before_anything_is_known(terminal: PseudoTerminal) -> None:
    terminal.run("start(0)")
    view = [
        "0 of 20 trials done   1 running   0 complete   0 pruned   0 failed",
        "best validation MAE -",
        "- epochs/min   time left -",
    ]
    terminal.until_screen([FIRST_LINE, *view])


def test_the_last_state_stays_and_the_summary_follows_it(terminal: PseudoTerminal) -> None:
    terminal.run(FOUR_TRIALS)
    terminal.until(is_shown(VIEW_AT_80_COLUMNS))
    terminal.run("end(4, 'failed', 'no result'); finish(); print('the summary')")
    terminal.until_screen(
        [
            FIRST_LINE,
            "5 of 20 trials done   0 unfinished   2 complete   1 pruned   2 failed",
            "best validation MAE 0.800   trial 2   since 14:02 (20s ago)",
            "6.0 epochs/min   took 2m",
            "14:02:00 * trial 2 complete, MAE 0.800, new best, 6 epochs",
            "14:02:20   trial 3 failed: CUDA out of memory. CUDA out of memory. CUDA out o...",
            "14:02:20   trial 4 failed: no result, 0 epochs",
            "the summary",
        ]
    )
    assert terminal.close() == 0


def test_a_search_that_is_over_at_once_shows_its_last_state(terminal: PseudoTerminal) -> None:
    terminal.run("start(0); end(0, 'complete'); finish(); print('the summary')")
    terminal.until_screen(
        [
            FIRST_LINE,
            "1 of 20 trials done   0 unfinished   1 complete   0 pruned   0 failed",
            "best validation MAE -",
            "- epochs/min   took 0s",
            "14:00:00   trial 0 complete, 0 epochs",
            "the summary",
        ]
    )


def test_a_search_that_never_began_shows_nothing(terminal: PseudoTerminal) -> None:
    terminal.run("finish(); print('the summary')")
    terminal.until_screen([FIRST_LINE, "the summary"])


def test_a_resumed_search_shows_the_best_of_another_day(terminal: PseudoTerminal) -> None:
    terminal.run(
        """
best = Best(name="trial 12", value=0.7, at=datetime(2026, 2, 27, 9, 30))
past = Past(ended={TrialState.COMPLETE: 12, TrialState.PRUNED: 3}, best=best)
bounds = Bounds(trials=20, seconds=4800.0)
view = onlooker_on(sys.stdout, Progress(bounds, past, clock=clock, now=now))
start(15)
"""
    )
    terminal.until_screen(
        [
            FIRST_LINE,
            "15 of 20 trials done   1 running   12 complete   3 pruned   0 failed",
            "best validation MAE 0.700   trial 12   since 2026-02-27 09:30 (2d4h ago)",
            "- epochs/min   time left at most 1h20m",
        ]
    )


def test_news_are_among_the_events(terminal: PseudoTerminal) -> None:
    terminal.run("view.say('tracking: http://127.0.0.1:5000 does not answer')")
    news = "14:00:00   tracking: http://127.0.0.1:5000 does not answer"
    terminal.until(lambda lines: lines[-1:] == [news])


def test_what_others_print_comes_above_the_view(terminal: PseudoTerminal) -> None:
    terminal.run(FOUR_TRIALS)
    terminal.until(is_shown(VIEW_AT_80_COLUMNS))
    terminal.run(
        """
print("printed [/b] :smile:")
print("a warning", file=sys.stderr)
print("\x1b[31mred\x1b[0m", end="", flush=True)
view.say("told")
"""
    )
    terminal.until_screen(
        [
            FIRST_LINE,
            "printed [/b] :smile:",
            "a warning",
            "red",
            *VIEW_AT_80_COLUMNS[:3],
            *VIEW_AT_80_COLUMNS[4:],
            "14:02:20   told",
        ]
    )


def test_errors_that_are_sent_to_a_file_go_there(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with PseudoTerminal(80, errors_to=errors) as terminal:
        terminal.run(PRELUDE + FOUR_TRIALS)
        terminal.until(is_shown(VIEW_AT_80_COLUMNS))
        terminal.run("print('a warning', file=sys.stderr, flush=True)\nfinish()")
        terminal.close()
        assert errors.read_text() == "a warning\n"
        assert "a warning" not in "\n".join(terminal.lines)


def test_wide_and_odd_characters_keep_the_lines_whole() -> None:
    with PseudoTerminal(40) as terminal:
        terminal.run(PRELUDE)
        terminal.run("start(0); end(0, 'failed', '\\x1b[2J' + '記憶體不足' * 20)")
        # The emulator keeps an empty cell behind a wide character.
        shown = "14:00:00trial0failed:記憶體不足..."
        terminal.until(lambda lines: lines[-1:] != [] and lines[-1].replace(" ", "") == shown)


def test_no_color_leaves_none() -> None:
    colours = re.compile(rb"\x1b\[[0-9;]*3[0-7][;m]")
    for environment, there in (({"NO_COLOR": "1"}, False), ({}, True)):
        with PseudoTerminal(80, environment=environment) as terminal:
            terminal.run(PRELUDE + FOUR_TRIALS)
            terminal.until(is_shown(VIEW_AT_80_COLUMNS))
            assert bool(colours.search(terminal.written)) is there


def test_a_dumb_terminal_gets_plain_lines_without_escape_sequences() -> None:
    with PseudoTerminal(80, environment={"TERM": "dumb"}) as terminal:
        terminal.run(PRELUDE + FOUR_TRIALS + "finish()")
        assert terminal.close() == 0
        assert b"\x1b" not in terminal.written
        assert terminal.written.count(b"best so far") == 4


def test_an_exception_that_nobody_catches_is_shown_whole(terminal: PseudoTerminal) -> None:
    terminal.run(FOUR_TRIALS)
    terminal.until(is_shown(VIEW_AT_80_COLUMNS))
    terminal.run("try:\n    raise RuntimeError('broken')\nfinally:\n    finish()")
    assert terminal.wait() == 1
    assert terminal.lines[-1] == "RuntimeError: broken"
    assert "6.0 epochs/min   took 2m" in terminal.lines
    assert terminal.cursor == (0, len(terminal.lines), True)


INTERRUPTIBLE = """
from search.engine.interruption import interruptible
from threading import Event
resting = Event()
with interruptible(resting.set):
    start(5)
    while not resting.wait(0.01): pass
    {then}
"""

INTERRUPTIBLE_VIEW = [
    "4 of 20 trials done   2 running   2 complete   1 pruned   1 failed",
    *VIEW_AT_80_COLUMNS[1:],
]


def test_an_interrupted_search_leaves_the_terminal_well(terminal: PseudoTerminal) -> None:
    finish = "finish(Ending.INTERRUPTED); print('go on with: ...', file=sys.stderr)"
    terminal.run(FOUR_TRIALS + INTERRUPTIBLE.format(then=finish))
    # All of it, for Linux drops what nobody has read yet when Ctrl-C is pressed.
    terminal.until_screen([FIRST_LINE, *INTERRUPTIBLE_VIEW])
    terminal.press(b"\x03")
    terminal.until_screen(
        [
            FIRST_LINE,
            *STOPPING,
            "4 of 20 trials done   2 unfinished   2 complete   1 pruned   1 failed",
            "best validation MAE 0.800   trial 2   since 14:02 (20s ago)",
            "6.0 epochs/min   took 2m",
            *VIEW_AT_80_COLUMNS[3:],
            "go on with: ...",
        ]
    )


def test_a_search_that_is_ended_at_once_leaves_the_terminal_well(
    terminal: PseudoTerminal,
) -> None:
    terminal.run(FOUR_TRIALS + INTERRUPTIBLE.format(then="while True: Event().wait(0.01)"))
    terminal.until_screen([FIRST_LINE, *INTERRUPTIBLE_VIEW])
    terminal.press(b"\x03")
    screen = [FIRST_LINE, *STOPPING, *INTERRUPTIBLE_VIEW]
    terminal.until_screen(screen)
    terminal.press(b"\x03")
    assert terminal.wait() == 130
    assert terminal.lines == [*screen, "^C"]
    assert terminal.cursor == (2, len(screen), True)


def test_a_search_that_is_killed_leaves_the_terminal_well(terminal: PseudoTerminal) -> None:
    terminal.run(FOUR_TRIALS)
    screen = [FIRST_LINE, *VIEW_AT_80_COLUMNS]
    terminal.until_screen(screen)
    terminal.kill()
    assert terminal.lines == screen
    assert terminal.cursor == (0, len(screen), True)


def test_a_held_terminal_does_not_make_the_search_wait(terminal: PseudoTerminal) -> None:
    terminal.run(
        """
import termios
termios.tcflow(1, termios.TCOOFF)
start(0)
train(0, 20_000, 0.9)
termios.tcflow(1, termios.TCOON)
finish()
"""
    )
    terminal.until_shown("1 unfinished")


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_terminal_that_goes_away_does_not_end_the_search(
    trial: Callable[[int], TrialRecord],
) -> None:
    ours, theirs = pty.openpty()
    output = sys.stdout
    stream = os.fdopen(theirs, "w", encoding="utf-8")
    view = LiveView(stream, Progress(Bounds(trials=3)))
    view.start_trial(trial(0))
    os.read(ours, 1)
    os.close(ours)
    view.log_epoch(0, 1, {"valid/mae": 0.9})
    view.finish(Summary(ending=Ending.FINISHED))
    assert sys.stdout is output
    with pytest.raises(OSError, match="Input/output error"):
        stream.close()
