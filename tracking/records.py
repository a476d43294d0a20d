"""What a search tells its recorders: the study, its trials, and how each of them ended."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from tracking.run_names import DEVICE_SHARE_TAG, DEVICE_TAG, HOST_TAG

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
    """it crashed, hung, or met a value that is not finite"""


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
    code: str = Field("", description="the revision of the code that trains it, as far as known")


MEASURED = ("parameters", "epochs", "seconds_per_epoch", "samples_per_second", "peak_memory_mb")
"""the facts of a trial that are numbers"""


def trial_metric(fact: str) -> str:
    """Return the recorded name of a fact of a trial, such as `trial/epochs`."""
    return f"trial/{fact}"


class TrialFacts(Record):
    """What a trial's training took, of all its seeds together."""

    host: str
    device: str = Field(description="what trained, such as `cpu` or the name of a GPU")
    device_share: str = Field(description="its part of the machine, such as `0.25 GPU, 1 CPU`")
    parameters: int = Field(description="learnable numbers of one model")
    epochs: int = Field(description="that it has trained")
    seconds_per_epoch: float = Field(description="training and validation, the mean over epochs")
    samples_per_second: float = Field(description="training clips, while training and validating")
    peak_memory_mb: float = Field(description="of its process, or on its GPU; 1 MB is 10^6 bytes")

    def metrics(self) -> dict[str, float]:
        """Return what can be compared by number, under its recorded name."""
        return {trial_metric(fact): getattr(self, fact) for fact in MEASURED}

    def tags(self) -> dict[str, str]:
        """Return the others, under their recorded names."""
        return {
            HOST_TAG: self.host,
            DEVICE_TAG: self.device,
            DEVICE_SHARE_TAG: self.device_share,
        }


class DatasetRecord(Record):
    """The data of a study, for MLflow's list of datasets."""

    name: str
    digest: str = Field(description="SHA-256 of the imported dataset")
    source: str = Field(description="the folder from which it is read")
    profile: Mapping[str, int] = Field(description="such as the number of clips of a split")


class StudyRecord(Record):
    """A study, or a promotion, as it starts."""

    name: str
    dataset: str
    data: DatasetRecord | None = None
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
