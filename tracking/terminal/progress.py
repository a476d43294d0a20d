"""How a search stands, as its recorders are told of it: counts, the best, the pace, the news."""

import math
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic

from dlf.metrics import OBJECTIVE
from tracking.records import Outcome, Record, TrialRecord, TrialState
from tracking.terminal.pace import Pace

EVENTS_KEPT = 3

_ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\].*?(\x07|\x1b\\)|[ -/]*[0-~])")


class Best(Record):
    """The best complete trial."""

    name: str
    value: float
    at: datetime


class Bounds(Record):
    """What a search may spend; what is none has no bound."""

    trials: int
    """of the whole study"""
    seconds: float | None = None
    """of this run"""
    epochs: int | None = None
    """of the whole study"""


class Past(Record):
    """What former runs of the same study came to."""

    ended: Mapping[TrialState, int] = {}
    epochs: int = 0
    reached: Mapping[int, int] = {}
    """by a trial that was left under way: its last epoch, which will be reported again"""
    best: Best | None = None


class Event(Record):
    """Something that whoever watches should see."""

    at: datetime
    text: str
    new_best: bool = False


class EndedTrial(Record):
    """A trial that has just ended."""

    name: str
    outcome: Outcome
    """its reason, if any, on one line"""
    epochs: int
    value: float | None
    """its best validation MAE"""
    new_best: bool

    def how(self) -> str:
        """Return how it ended, such as `pruned after 3 epochs`."""
        ended = f"{self.outcome.state.value} after {self._epochs()}"
        return ended if self.outcome.reason is None else f"{ended}: {self.outcome.reason}"

    def event(self, at: datetime) -> Event:
        """Return it as news: in short, and what matters first."""
        text = f"{self.name} {self.outcome.state.value}"
        if self.outcome.reason is not None:
            text += f": {self.outcome.reason}"
        elif self.value is not None:
            text += f", MAE {self.value:.3f}"
        if self.new_best:
            text += ", new best"
        return Event(at=at, text=f"{text}, {self._epochs()}", new_best=self.new_best)

    def _epochs(self) -> str:
        return "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"


class TimeLeft(Record):
    """How long a search may go on."""

    seconds: float
    at_most: bool
    """whether this is a bound, not an estimate"""


class Standing(Record):
    """How a search stands at one moment."""

    now: datetime
    total: int
    done: int
    running: int
    complete: int
    pruned: int
    failed: int
    best: Best | None
    epochs_per_minute: float | None
    time_left: TimeLeft | None
    took: float | None
    """seconds; none until the search has ended"""
    events: tuple[Event, ...]
    """the last ones, the latest at the end"""


class _RunningTrial(Record):
    name: str
    epochs: int = 0
    best: float = math.inf


class Progress:
    """Takes in what recorders are told; not for several threads at once.

    Args:
        bounds: what the search may spend.
        past: where it goes on from.
        clock: seconds, for the pace.
        now: the time of day, for people.
    """

    def __init__(
        self,
        bounds: Bounds,
        past: Past | None = None,
        *,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        past = past or Past()
        self._bounds = bounds
        self._reached = past.reached
        self._clock = clock
        self._now = now
        self._started = clock()
        self._running: dict[int, _RunningTrial] = {}
        self._ended = Counter(past.ended)
        self._epochs = past.epochs
        self._pace = Pace(clock)
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._finished = False
        self.best = past.best

    @property
    def total(self) -> int:
        """The number of trials that the study may have."""
        return self._bounds.trials

    @property
    def done(self) -> int:
        """The number of trials that ended, in whatever way."""
        return self._ended.total()

    def start_trial(self, trial: TrialRecord) -> None:
        """Take in that a trial begins, or begins again."""
        self._pace.begin()
        self._running[trial.number] = _RunningTrial(name=printable(trial.name))

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take in an epoch of a trial."""
        trial = self._running[number]
        value = metrics.get(OBJECTIVE, math.inf)
        best = value if value < trial.best else trial.best
        self._running[number] = _RunningTrial(name=trial.name, epochs=epoch, best=best)
        if epoch > self._reached.get(number, 0):
            self._epochs += 1
            self._pace.epoch_trained()

    def end_trial(self, number: int, outcome: Outcome) -> EndedTrial:
        """Take in how a trial ended; only a complete one can be the best."""
        trial = self._running.pop(number)
        self._ended[outcome.state] += 1
        self._pace.trial_ended(trial.epochs)
        complete = outcome.state is TrialState.COMPLETE and trial.best < math.inf
        new_best = complete and (self.best is None or trial.best < self.best.value)
        now = self._now()
        if new_best:
            self.best = Best(name=trial.name, value=trial.best, at=now)
        reason = None if outcome.reason is None else printable(outcome.reason)
        ended = EndedTrial(
            name=trial.name,
            outcome=Outcome(state=outcome.state, reason=reason),
            epochs=trial.epochs,
            value=trial.best if trial.best < math.inf else None,
            new_best=new_best,
        )
        self._events.append(ended.event(now))
        return ended

    def say(self, text: str) -> Event:
        """Take in news from elsewhere."""
        event = Event(at=self._now(), text=printable(text))
        self._events.append(event)
        return event

    def finish(self) -> None:
        """Take in that the search has ended."""
        self._pace.end()
        self._finished = True

    def standing(self) -> Standing:
        """Return how everything stands now."""
        return Standing(
            now=self._now(),
            total=self.total,
            done=self.done,
            running=len(self._running),
            complete=self._ended[TrialState.COMPLETE],
            pruned=self._ended[TrialState.PRUNED],
            failed=self._ended[TrialState.FAILED],
            best=self.best,
            epochs_per_minute=self._pace.epochs_per_minute(),
            time_left=None if self._finished else self._time_left(),
            took=self._pace.seconds() if self._finished else None,
            events=tuple(self._events),
        )

    def _time_left(self) -> TimeLeft | None:
        """Estimate it by the trials that are left, where no budget is spent before them."""
        rate, bounds = self._pace.epochs_per_minute(), self._bounds
        at_most = math.inf
        if bounds.seconds is not None:
            at_most = max(0.0, bounds.seconds - (self._clock() - self._started))
        if bounds.epochs is not None and rate is not None:
            at_most = min(at_most, 60.0 * max(0, bounds.epochs - self._epochs) / rate)
        waiting = max(0, self.total - self.done - len(self._running))
        running = [trial.epochs for trial in self._running.values()]
        epochs = self._pace.epochs_to_come(running, waiting)
        if epochs is not None and rate is not None and 60.0 * epochs / rate <= at_most:
            return TimeLeft(seconds=60.0 * epochs / rate, at_most=False)
        return TimeLeft(seconds=at_most, at_most=True) if at_most < math.inf else None


def printable(text: str) -> str:
    """Return a text without line breaks and without what a terminal would obey."""
    words = " ".join(_ESCAPE_SEQUENCE.sub("", text).split())
    return "".join(character for character in words if character.isprintable())


def shown_span(seconds: float) -> str:
    """Return a time in its two largest units, such as `1h20m`; seconds alone below a minute."""
    if seconds < 60:
        return f"{int(seconds)}s"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d{hours}h"
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m"
