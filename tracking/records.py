"""What a search tells its recorders: the study, its trials, and how each of them ended."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

ParamValue = bool | int | float | str
Metrics = Mapping[str, float]


class Record(BaseModel):
    """A frozen record that refuses names it does not know; its JSON keeps NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    """it reached its last epoch, by number or by its own patience"""
    PRUNED = "pruned"
    """the scheduler stopped it"""
    FAILED = "failed"
    """it crashed, was interrupted, or met a value that is not finite"""


class Outcome(Record):
    """The end of a trial, with the reason in words where there is one to tell."""

    state: TrialState
    reason: str | None = None


class TrialRecord(Record):
    """A trial as it starts."""

    number: int = Field(ge=0)
    name: str = Field(description="what people read in lists, such as `trial 3`")
    params: Mapping[str, ParamValue] = Field(description="as named and typed in the space")
    config_yaml: str = Field(description="the whole configuration, as the final training reads it")
    seed: int


class StudyRecord(Record):
    """A study, or a promotion, as it starts."""

    name: str
    dataset: str
    tags: Mapping[str, str] = Field(description="facts about it, such as the dataset's digest")
    key: str = Field(
        default_factory=lambda: uuid4().hex,
        pattern=r"^[\w-]+$",
        description="unique for ever: whoever records the same study again passes the same one",
    )


class Ending(StrEnum):
    """How a study, or a promotion, ended."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Summary(Record):
    """What a study, or a promotion, came to."""

    ending: Ending
    tags: Mapping[str, str] = {}
    metrics: Metrics = {}
