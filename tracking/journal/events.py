"""What a recorder is told, one record each, with the time at which it was told."""

from typing import Annotated, Literal

from pydantic import Field

from tracking.records import (
    Metrics,
    Outcome,
    Record,
    StudyRecord,
    Summary,
    TrialFacts,
    TrialRecord,
)


class StudyOpened(Record):
    """A process begins to record a study, for the first time or again."""

    event: Literal["study opened"] = "study opened"
    study: StudyRecord
    time_ms: int


class TrialStarted(Record):
    """A trial begins, or one that had ended goes on."""

    event: Literal["trial started"] = "trial started"
    trial: TrialRecord
    time_ms: int

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number


class EpochTrained(Record):
    """One epoch of a trial, with its metrics."""

    event: Literal["epoch"] = "epoch"
    number: int
    epoch: int = Field(ge=1)
    metrics: Metrics
    time_ms: int


class TrialMeasured(Record):
    """What the training of a trial took, up to here."""

    event: Literal["trial measured"] = "trial measured"
    number: int
    facts: TrialFacts
    time_ms: int


class TrialEnded(Record):
    """A trial ends."""

    event: Literal["trial ended"] = "trial ended"
    number: int
    outcome: Outcome
    time_ms: int


class ModelsKept(Record):
    """The trials whose models are kept now, and no others' are."""

    event: Literal["models kept"] = "models kept"
    numbers: tuple[int, ...]
    time_ms: int


class StudyClosed(Record):
    """A process has recorded all that it had of a study."""

    event: Literal["study closed"] = "study closed"
    summary: Summary
    time_ms: int


TrialEvent = TrialStarted | EpochTrained | TrialMeasured | TrialEnded
StudyEvent = StudyOpened | TrialEvent | ModelsKept | StudyClosed
DiscriminatedEvent = Annotated[StudyEvent, Field(discriminator="event")]
