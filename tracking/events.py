"""What a recorder is told, one record each, with the time at which it was told."""

from typing import Annotated, Literal

from pydantic import Field

from tracking.records import Metrics, Outcome, Record, StudyRecord, Summary, TrialRecord


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


class TrialEnded(Record):
    """A trial ends."""

    event: Literal["trial ended"] = "trial ended"
    number: int
    outcome: Outcome
    time_ms: int


class StudyClosed(Record):
    """A process has recorded all that it had of a study."""

    event: Literal["study closed"] = "study closed"
    summary: Summary
    time_ms: int


TrialEvent = TrialStarted | EpochTrained | TrialEnded
StudyEvent = StudyOpened | TrialEvent | StudyClosed
DiscriminatedEvent = Annotated[StudyEvent, Field(discriminator="event")]
