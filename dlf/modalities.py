"""The three modalities, their order, and the sizes by which a model is fitted to a dataset."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Modality = Literal["text", "audio", "vision"]

MODALITIES: tuple[Modality, ...] = ("text", "audio", "vision")


class PerModality(BaseModel):
    """One whole number for each modality: a width in channels, or a count of time steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: int = Field(ge=1)
    audio: int = Field(ge=1)
    vision: int = Field(ge=1)

    def __getitem__(self, modality: Modality) -> int:
        """Return the number of one modality."""
        return int(getattr(self, modality))


class Statistics(BaseModel):
    """Mean and standard deviation of every feature of a modality, over the train split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...]
    deviation: tuple[float, ...] = Field(description="0 for a feature that never varies")


class InputSizes(BaseModel):
    """What a model must know of a dataset before it can be built."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: PerModality = Field(description="feature channels per time step")
    time_steps: PerModality = Field(description="the longest sequence that will ever come")
    normalised: Mapping[Modality, Statistics] = Field(
        {}, description="by which a modality's features are normalised; others are taken as given"
    )
