from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tracking.records import Outcome, TrialRecord, TrialState
from tracking.terminal.progress import Best, Bounds, Past, Progress, TimeLeft, printable, shown_span

Trials = Callable[[int], TrialRecord]

START = datetime(2026, 3, 1, 14, 0, 0)
COMPLETE = Outcome(state=TrialState.COMPLETE)
PRUNED = Outcome(state=TrialState.PRUNED)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Callable[..., Progress]:
    def build(past: Past | None = None, **bounds: float) -> Progress:
        limits = Bounds.model_validate({"trials": 20, **bounds})
        return Progress(limits, past, clock=clock, now=clock.now)

    return build


@pytest.fixture
def run(clock: Clock, trial: Trials) -> Callable[..., None]:
    """Train a trial for some epochs of ten seconds."""

    def train(
        progress: Progress, number: int, epochs: int, outcome: Outcome = COMPLETE, mae: float = 0.9
    ) -> None:
        progress.start_trial(trial(number))
        for epoch in range(1, epochs + 1):
            clock.seconds += 10.0
            progress.log_epoch(number, epoch, {"valid/mae": mae})
        progress.end_trial(number, outcome)

    return train


Make = Callable[..., Progress]
Run = Callable[..., None]


def test_counts(make: Make, run: Run, trial: Trials) -> None:
    progress = make()
    run(progress, 0, 2)
    run(progress, 1, 1, PRUNED)
    run(progress, 2, 1, Outcome(state=TrialState.FAILED, reason="out of memory"))
    progress.start_trial(trial(3))
    progress.start_trial(trial(4))
    progress.start_trial(trial(4))
    standing = progress.standing()
    assert (standing.done, standing.total, standing.running) == (3, 20, 2)
    assert (standing.complete, standing.pruned, standing.failed) == (1, 1, 1)


def test_the_best_is_a_complete_trial_and_has_the_time_of_its_end(make: Make, run: Run) -> None:
    progress = make()
    run(progress, 0, 3, mae=0.8)
    run(progress, 1, 1, PRUNED, mae=0.5)
    run(progress, 2, 1, mae=0.85)
    assert progress.best == Best(name="trial 0", value=0.8, at=START + timedelta(seconds=30))
    run(progress, 3, 1, mae=0.7)
    assert progress.best == Best(name="trial 3", value=0.7, at=START + timedelta(seconds=60))


def test_the_last_three_events(make: Make, run: Run) -> None:
    progress = make()
    run(progress, 0, 1, mae=0.8)
    run(progress, 1, 2, PRUNED, mae=0.9)
    run(progress, 2, 1, Outcome(state=TrialState.FAILED, reason="out of\nmemory"))
    run(progress, 3, 4, mae=0.7)
    progress.say("the server does not answer")
    assert [(f"{e.at:%M:%S}", e.text, e.new_best) for e in progress.standing().events] == [
        ("00:40", "trial 2 failed: out of memory, 1 epoch", False),
        ("01:20", "trial 3 complete, MAE 0.700, new best, 4 epochs", True),
        ("01:20", "the server does not answer", False),
    ]


def test_a_resumed_search_goes_on_from_what_was(make: Make, run: Run, clock: Clock) -> None:
    best = Best(name="trial 1", value=0.6, at=START)
    ended = {TrialState.COMPLETE: 5, TrialState.FAILED: 1}
    progress = make(Past(ended=ended, epochs=50, best=best))
    run(progress, 6, 1, mae=0.7)
    standing = progress.standing()
    assert (standing.done, standing.complete, standing.failed) == (7, 6, 1)
    assert standing.best == best


def test_epochs_that_are_reported_again_are_not_trained_again(
    make: Make, clock: Clock, trial: Trials
) -> None:
    progress = make(Past(epochs=8, reached={3: 8}))
    progress.start_trial(trial(3))
    for epoch in range(1, 9):
        progress.log_epoch(3, epoch, {"valid/mae": 0.9})
    clock.seconds += 30.0
    assert progress.standing().epochs_per_minute is None
    progress.log_epoch(3, 9, {"valid/mae": 0.9})
    assert progress.standing().epochs_per_minute == 2.0


def test_the_rate_is_of_the_last_two_minutes(make: Make, clock: Clock, trial: Trials) -> None:
    progress = make()
    progress.start_trial(trial(0))
    assert progress.standing().epochs_per_minute is None
    for epoch in range(1, 201):
        clock.seconds += 10.0
        progress.log_epoch(0, epoch, {})
        assert progress.standing().epochs_per_minute == pytest.approx(6.0)
    for epoch in range(201, 441):
        clock.seconds += 1.0
        progress.log_epoch(0, epoch, {})
    assert progress.standing().epochs_per_minute == pytest.approx(60.0)
    clock.seconds += 120.0
    assert progress.standing().epochs_per_minute == pytest.approx(12.0)
    clock.seconds = 1000.0 + 4400.0
    progress.finish()
    assert progress.standing().epochs_per_minute == pytest.approx(6.0)


def test_the_first_seconds_have_no_rate(make: Make, clock: Clock, trial: Trials) -> None:
    clock.seconds += 500.0
    progress = make()
    progress.start_trial(trial(0))
    clock.seconds += 9.0
    progress.log_epoch(0, 1, {})
    assert progress.standing().epochs_per_minute is None
    clock.seconds += 1.0
    assert progress.standing().epochs_per_minute == 6.0


def test_time_left_is_known_after_three_trials(make: Make, run: Run) -> None:
    progress = make()
    for number, epochs in enumerate([2, 4]):
        run(progress, number, epochs)
        assert progress.standing().time_left is None
    run(progress, 2, 6)
    # 17 trials of 4 epochs, 10 seconds each
    assert progress.standing().time_left == TimeLeft(seconds=680.0, at_most=False)


def test_trials_that_need_no_training_say_nothing_of_the_time(make: Make, run: Run) -> None:
    progress = make()
    run(progress, 0, 4)
    for number in (1, 2, 3):
        run(progress, number, 0)
    assert progress.standing().time_left is None


def test_a_trial_under_way_is_expected_to_go_as_far_as_those_beyond_it(
    make: Make, run: Run, clock: Clock, trial: Trials
) -> None:
    progress = make(trials=4)
    for number, epochs in enumerate([1, 1, 10]):
        run(progress, number, epochs)
    progress.start_trial(trial(3))
    for epoch in (1, 2):
        clock.seconds += 10.0
        progress.log_epoch(3, epoch, {})
    assert progress.standing().time_left == TimeLeft(seconds=80.0, at_most=False)
    for epoch in range(3, 21):
        clock.seconds += 10.0
        progress.log_epoch(3, epoch, {})
    assert progress.standing().time_left == TimeLeft(seconds=10.0, at_most=False)


def test_a_time_budget_bounds_the_time_left(make: Make, run: Run, clock: Clock) -> None:
    progress = make(seconds=200.0)
    assert progress.standing().time_left == TimeLeft(seconds=200.0, at_most=True)
    for number in range(3):
        run(progress, number, 2)
    assert progress.standing().time_left == TimeLeft(seconds=140.0, at_most=True)
    clock.seconds += 500.0
    assert progress.standing().time_left == TimeLeft(seconds=0.0, at_most=True)


def test_a_time_budget_that_is_not_needed_is_not_shown(make: Make, run: Run) -> None:
    progress = make(trials=4, seconds=3600.0)
    for number in range(3):
        run(progress, number, 2)
    assert progress.standing().time_left == TimeLeft(seconds=20.0, at_most=False)


def test_an_epoch_budget_bounds_the_time_left(make: Make, run: Run) -> None:
    progress = make(Past(epochs=50), epochs=70)
    assert progress.standing().time_left is None
    run(progress, 0, 2)
    assert progress.standing().time_left == TimeLeft(seconds=180.0, at_most=True)
    for number in (1, 2):
        run(progress, number, 2)
    assert progress.standing().time_left == TimeLeft(seconds=140.0, at_most=True)


def test_the_end_says_how_long_it_took(make: Make, run: Run, clock: Clock) -> None:
    progress = make()
    assert progress.standing().took is None
    run(progress, 0, 3)
    progress.finish()
    clock.seconds += 100.0
    standing = progress.standing()
    assert (standing.took, standing.time_left) == (30.0, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("the loss\n  is\tnot finite\r\n", "the loss is not finite"),
        ("\x1b[1;31mout\x1b[0m of \x1b[2K\x1b[5Amemory", "out of memory"),
        ("\x1b]0;a title\x07a \x1b7reason\x00\x08", "a reason"),
        ("größer als 1 Å", "größer als 1 Å"),
    ],
)
def test_what_a_terminal_would_obey_is_left_out(text: str, line: str) -> None:
    assert printable(text) == line


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0s"),
        (59.9, "59s"),
        (60.0, "1m"),
        (3599.0, "59m"),
        (4800.0, "1h20m"),
        (3660.0, "1h01m"),
        (7200.0, "2h00m"),
        (183600.0, "2d3h"),
    ],
)
def test_spans(seconds: float, shown: str) -> None:
    assert shown_span(seconds) == shown
