import io
import math
import os
import pty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TextIO

import pytest

from tracking.records import Ending, Outcome, Summary, TrialRecord, TrialState
from tracking.terminal.console import PlainLines, onlooker_on
from tracking.terminal.live_view import LiveView
from tracking.terminal.onlooker import Onlooker
from tracking.terminal.progress import Best, Bounds, Past, Progress

Trials = Callable[[int], TrialRecord]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield stream
    os.close(ours)


def progress_of(total: int, past: Past | None = None) -> Progress:
    return Progress(Bounds(trials=total), past)


def run_trial(
    recorder: Onlooker, trial: TrialRecord, values: list[float], outcome: Outcome
) -> None:
    recorder.start_trial(trial)
    for epoch, value in enumerate(values, start=1):
        recorder.log_epoch(trial.number, epoch, {"valid/mae": value})
    recorder.end_trial(trial.number, outcome)


def test_one_line_per_trial(stream: io.StringIO, trial: Trials) -> None:
    recorder = PlainLines(stream, progress_of(20))
    run_trial(recorder, trial(1), [0.9, 0.887, 0.95], Outcome(state=TrialState.COMPLETE))
    run_trial(recorder, trial(3), [0.912], Outcome(state=TrialState.PRUNED))
    failed = Outcome(state=TrialState.FAILED, reason="the loss\nis not \x1b[1mfinite\x1b[0m")
    run_trial(recorder, trial(12), [math.nan], failed)
    recorder.finish(Summary(ending=Ending.FINISHED))
    best = "(best so far 0.887, trial 1)"
    assert stream.getvalue().splitlines() == [
        f"[ 1/20] trial 1     complete after 3 epochs   best validation MAE 0.887   {best}",
        f"[ 2/20] trial 3     pruned after 1 epoch   best validation MAE 0.912   {best}",
        f"[ 3/20] trial 12    failed after 1 epoch: the loss is not finite   {best}",
    ]


def test_only_complete_trials_can_be_the_best(stream: io.StringIO, trial: Trials) -> None:
    recorder = PlainLines(stream, progress_of(3))
    run_trial(recorder, trial(0), [0.5], Outcome(state=TrialState.PRUNED))
    assert stream.getvalue() == (
        "[1/3] trial 0     pruned after 1 epoch   best validation MAE 0.500\n"
    )


def test_a_resumed_search_goes_on_counting_and_knows_the_best(
    stream: io.StringIO, trial: Trials
) -> None:
    best = Best(name="trial 2", value=0.75, at=datetime(2026, 3, 1))
    ended = {TrialState.COMPLETE: 10, TrialState.PRUNED: 4}
    recorder = PlainLines(stream, progress_of(20, Past(ended=ended, best=best)))
    run_trial(recorder, trial(3), [0.8, 0.78], Outcome(state=TrialState.COMPLETE))
    run_trial(recorder, trial(15), [0.7], Outcome(state=TrialState.COMPLETE))
    start = "complete after"
    assert stream.getvalue().splitlines() == [
        f"[15/20] trial 3     {start} 2 epochs   best validation MAE 0.780   "
        "(best so far 0.750, trial 2)",
        f"[16/20] trial 15    {start} 1 epoch   best validation MAE 0.700   "
        "(best so far 0.700, trial 15)",
    ]


def test_a_trial_that_is_handed_out_again_has_one_line(stream: io.StringIO, trial: Trials) -> None:
    recorder = PlainLines(stream, progress_of(3))
    recorder.start_trial(trial(0))
    recorder.log_epoch(0, 1, {"valid/mae": 0.9})
    run_trial(recorder, trial(0), [0.9, 0.8], Outcome(state=TrialState.COMPLETE))
    assert stream.getvalue() == (
        "[1/3] trial 0     complete after 2 epochs   best validation MAE 0.800   "
        "(best so far 0.800, trial 0)\n"
    )


def test_news_are_lines_too(stream: io.StringIO) -> None:
    recorder = PlainLines(stream, progress_of(3))
    recorder.say("tracking: http://127.0.0.1:5000\ndoes not answer")
    assert stream.getvalue() == "tracking: http://127.0.0.1:5000 does not answer\n"


def test_lines_from_several_threads_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    with file.open("w", encoding="utf-8") as stream, ThreadPoolExecutor(8) as threads:
        recorder = PlainLines(stream, progress_of(3))
        texts = [str(number) * 300 for number in range(200)]
        list(threads.map(recorder.say, texts))
    assert sorted(file.read_text(encoding="utf-8").splitlines()) == sorted(texts)


def test_a_stream_that_cannot_show_a_character_gets_a_question_mark(trial: Trials) -> None:
    kept = io.BytesIO()
    recorder = PlainLines(io.TextIOWrapper(kept, encoding="latin-1"), progress_of(3))
    recorder.say("größer als π, in \udcff")
    assert kept.getvalue().decode("latin-1") == "größer als ?, in \n"


def test_a_terminal_gets_the_live_view(terminal: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(onlooker_on(terminal, progress_of(3)), LiveView)


@pytest.mark.parametrize("kind", ["dumb", "unknown", None])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    kind: str | None, terminal: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", kind or "") if kind else monkeypatch.delenv("TERM", raising=False)
    assert isinstance(onlooker_on(terminal, progress_of(3)), PlainLines)


def test_what_is_no_terminal_gets_lines_whatever_the_environment_says(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert isinstance(onlooker_on(stream, progress_of(3)), PlainLines)
