import io
import math
from collections.abc import Callable

import pytest

from tracking.console import ConsoleRecorder, Progress
from tracking.records import Ending, Outcome, Summary, TrialRecord, TrialState

Trials = Callable[[int], TrialRecord]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def run_trial(
    recorder: ConsoleRecorder, trial: TrialRecord, values: list[float], outcome: Outcome
) -> None:
    recorder.start_trial(trial)
    for epoch, value in enumerate(values, start=1):
        recorder.log_epoch(trial.number, epoch, {"valid/mae": value})
    recorder.end_trial(trial.number, outcome)


def test_one_line_per_trial(stream: io.StringIO, trial: Trials) -> None:
    recorder = ConsoleRecorder(stream, total=20)
    run_trial(recorder, trial(1), [0.9, 0.887, 0.95], Outcome(state=TrialState.COMPLETE))
    run_trial(recorder, trial(3), [0.912], Outcome(state=TrialState.PRUNED))
    failed = Outcome(state=TrialState.FAILED, reason="the loss\nis not finite")
    run_trial(recorder, trial(12), [math.nan], failed)
    recorder.finish(Summary(ending=Ending.FINISHED))
    best = "(best so far 0.887, trial 1)"
    assert stream.getvalue().splitlines() == [
        f"[ 1/20] trial 1     complete after 3 epochs   best validation MAE 0.887   {best}",
        f"[ 2/20] trial 3     pruned after 1 epoch   best validation MAE 0.912   {best}",
        f"[ 3/20] trial 12    failed after 1 epoch: the loss is not finite   {best}",
    ]


def test_only_complete_trials_can_be_the_best(stream: io.StringIO, trial: Trials) -> None:
    recorder = ConsoleRecorder(stream, total=3)
    run_trial(recorder, trial(0), [0.5], Outcome(state=TrialState.PRUNED))
    assert stream.getvalue() == (
        "[1/3] trial 0     pruned after 1 epoch   best validation MAE 0.500\n"
    )


def test_a_resumed_search_goes_on_counting_and_knows_the_best(
    stream: io.StringIO, trial: Trials
) -> None:
    best = Progress(name="trial 2", best=0.75)
    recorder = ConsoleRecorder(stream, total=20, finished=14, best=best)
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
    recorder = ConsoleRecorder(stream, total=3)
    recorder.start_trial(trial(0))
    recorder.log_epoch(0, 1, {"valid/mae": 0.9})
    run_trial(recorder, trial(0), [0.9, 0.8], Outcome(state=TrialState.COMPLETE))
    assert stream.getvalue() == (
        "[1/3] trial 0     complete after 2 epochs   best validation MAE 0.800   "
        "(best so far 0.800, trial 0)\n"
    )
