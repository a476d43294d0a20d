"""When a search ends: after so many trials, hours or epochs, at a target, or without progress."""

import math
import re
from collections.abc import Callable
from time import monotonic

from pydantic import BaseModel, ConfigDict

from dlf.command import BadInputError
from dlf.metrics import OBJECTIVE

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


class Budget(BaseModel):
    """All bounds of a search; what is none has no bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int
    """of the whole study, what was trained before a resume included"""
    seconds: float | None = None
    """of this run"""
    epochs: int | None = None
    """of the whole study"""
    target: float | None = None
    """a validation MAE that is good enough"""
    patience: int | None = None
    """trials that end, one after another, without a better one"""


class BudgetKeeper:
    """Counts what is spent, and says which bound was met first."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = monotonic) -> None:
        self._budget = budget
        self._clock = clock
        self._started = clock()
        self._trials = 0
        self.epochs = 0
        self._best = math.inf
        self._without_progress = 0
        self.spent: str | None = None
        """which bound was met, in words; none while there is something left"""
        self.reached_by: int | None = None
        """the trial that met the target, if that was the bound"""

    @property
    def ended_by(self) -> str:
        """Which bound ended the search, in words."""
        return self.spent or f"all {self._budget.trials} trials are done"

    def trial_asked(self) -> None:
        """Count a trial, which may be under way for long."""
        self._trials += 1

    def trials_left(self) -> int:
        """Return how many trials there are still to be asked for."""
        return max(0, self._budget.trials - self._trials)

    def epoch_trained(self, number: int, best: float) -> None:
        """Count an epoch of a trial, which has reached `best` so far."""
        self.epochs += 1
        budget = self._budget
        if budget.epochs is not None and self.epochs >= budget.epochs:
            self._spend(f"the budget of {budget.epochs} epochs is spent")
        if budget.target is not None and best <= budget.target and self.spent is None:
            self.reached_by = number
            self._spend(f"trial {number} reached the target, {OBJECTIVE} {best:.4f}")

    def trial_ended(self, value: float | None) -> None:
        """Count the end of a trial and its best value, none when it failed."""
        if value is None:
            return
        improved = value < self._best
        self._best = min(value, self._best)
        self._without_progress = 0 if improved else self._without_progress + 1
        patience = self._budget.patience
        if patience is not None and self._without_progress >= patience:
            self._spend(f"no better trial among the last {patience}")

    def look_at_the_clock(self) -> None:
        """Count the time."""
        seconds = self._budget.seconds
        if seconds is not None and self._clock() - self._started >= seconds:
            self._spend(f"the time budget of {shown_duration(seconds)} is spent")

    def _spend(self, words: str) -> None:
        self.spent = self.spent or words


def duration(text: str) -> float:
    """Read a time such as `2h`, `90m`, `1h30m` or `45` (seconds).

    Raises:
        ValueError: when it is no such thing, or nothing.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?[dhms])+", text):
        parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise ValueError(f"{text!r} is no time such as 2h, 90m, 1h30m or 45s")
    if seconds <= 0:
        raise ValueError(f"{text!r} is no time at all")
    return seconds


def shown_duration(seconds: float) -> str:
    """Return seconds as `duration` would read them."""
    parts = []
    for unit, size in _UNITS.items():
        count = int(seconds // size)
        if count:
            parts.append(f"{count}{unit}")
        seconds -= count * size
    return "".join(parts) or f"{seconds:.1f}s"


def target(text: str) -> float:
    """Read a target such as `valid/mae=0.70`.

    Raises:
        BadInputError: when it is of another metric, or no number.
    """
    name, _, value = text.partition("=")
    if name != OBJECTIVE:
        raise BadInputError(
            f"--target is of {OBJECTIVE}, which a search minimises, not of {name!r}; "
            f"such as {OBJECTIVE}=0.70"
        )
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise BadInputError(f"--target {text} names no validation MAE, such as 0.70")
    return number
