"""What the report is told of a study: its facts, its parameters, its trials, and what matters."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from tracking.records import ParamValue, Record, TrialState

Curve = Sequence[tuple[int, float]]


class Parameter(Record):
    """A parameter that the study varies; numbers range from `low` to `high`, others are choices."""

    name: str
    log: bool = False
    whole: bool = False
    low: float | None = None
    high: float | None = None
    choices: Sequence[ParamValue] = ()
    paper: ParamValue | None = None
    """the paper's own value, inside of the range or not; none where it has none"""


class ReportedTrial(Record):
    """A trial as far as it is known."""

    number: int
    name: str
    state: TrialState | None
    """how it ended; none while it is under way"""
    reason: str | None = None
    params: Mapping[str, ParamValue]
    """without those that do not exist in it"""
    curve: Curve = ()
    """epochs, in order, and the best validation MAE up to each"""
    value: float | None = None
    """the best validation MAE that it reached"""
    begun: datetime | None = None
    ended: datetime | None = None
    twin: int | None = None
    """the trial of the same configuration whose end it was given without a training"""
    paper: bool = False
    """whether it has the paper's configuration"""
    link: str | None = None
    """the address of its run"""

    @cached_property
    def finite_curve(self) -> Curve:
        """The curve without values that are no numbers."""
        return [(epoch, value) for epoch, value in self.curve if math.isfinite(value)]

    @property
    def reached(self) -> float | None:
        """The best validation MAE that it reached, if that is a number."""
        return self.value if self.value is not None and math.isfinite(self.value) else None

    @property
    def complete(self) -> bool:
        """Whether it reached its last epoch with a number to show."""
        return self.state is TrialState.COMPLETE and self.reached is not None

    @property
    def pruned(self) -> bool:
        """Whether it was stopped early with a number to show."""
        return self.state is TrialState.PRUNED and self.reached is not None


class Importances(Record):
    """How much each parameter decides, the most important first; shares of 1."""

    shares: Mapping[str, float] = {}
    trials: int = 0
    """complete trials that they are drawn from"""
    chance: float | None = None
    """the share that a parameter without any effect reaches one time in twenty"""
    caution: str = ""
    """a sentence: why there are none, or why they are to be taken lightly"""


class StudyReport(Record):
    """A study as it stands."""

    name: str
    dataset: str
    wanted: int
    """trials in all"""
    max_epochs: int
    replicates: int = 1
    """seeds that a trial is the mean of"""
    copies: int = 0
    """trials that were copied from another study; they are not among the trials"""
    standing: str = ""
    """a sentence: who drives it, or how it ended"""
    without_links: str = ""
    """a sentence: why trials are not linked to their runs"""
    facts: Mapping[str, str] = {}
    """more about it, by what it is"""
    parameters: Sequence[Parameter]
    trials: Sequence[ReportedTrial]
    importances: Importances
    faults: Sequence[str] = ()
    written: datetime

    @cached_property
    def ranked(self) -> Sequence[ReportedTrial]:
        """The complete trials, the best first."""
        complete = [trial for trial in self.trials if trial.complete]
        return sorted(complete, key=lambda trial: (trial.reached, trial.number))

    @property
    def best(self) -> ReportedTrial | None:
        """The best complete trial."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def paper(self) -> ReportedTrial | None:
        """The trial of the paper's configuration, if it was begun."""
        return next((trial for trial in self.trials if trial.paper), None)

    @cached_property
    def with_value(self) -> Sequence[ReportedTrial]:
        """The complete and the pruned trials, each configuration once."""
        return [t for t in self.trials if (t.complete or t.pruned) and t.twin is None]
