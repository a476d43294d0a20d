"""A trial as the search plans it, and what anything that hands out trials must do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from dlf.config import Config, Value
from dlf.training.training import EpochRecord
from tracking.records import Outcome


class TrialPlan(BaseModel):
    """One configuration to be trained, under a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    name: str
    params: Mapping[str, Value]
    """what distinguishes the configuration, as named in the space"""
    config: Config
    seeds: Sequence[int] = Field(min_length=1)
    """of its replicates; a trial reports their mean"""
    max_epochs: int = Field(ge=1)
    learning_rates: Sequence[float] = ()
    """of a refit, one for each epoch: it learns from train and valid, and nothing is held out"""
    begun: bool = False
    """whether it was trained before, by a driver or on a node that was lost: it may have a
    checkpoint, from which it goes on"""


class Settled(BaseModel):
    """A trial that was asked for and need not be trained: how it ends is known, or waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    name: str
    params: Mapping[str, Value]
    config: Config | None
    """none where the values make no configuration together"""
    seeds: Sequence[int]
    outcome: Outcome | None
    """none while the trial of the same configuration is under way"""


class Wait(BaseModel):
    """There is no next trial until one that is under way has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialSource(ABC):
    """Hands out trials and is told, in order, how each of them goes."""

    @abstractmethod
    def next_trial(self) -> TrialPlan | Settled | Wait | None:
        """Return the next trial, or none when there are no more."""

    @abstractmethod
    def report(self, number: int, record: EpochRecord) -> Outcome | None:
        """Take in an epoch of a trial; return how the trial is to end now, or none to go on.

        An epoch may come again after a trial was resumed.
        """

    @abstractmethod
    def end(self, number: int, outcome: Outcome) -> Mapping[int, Outcome]:
        """Take in how a trial ended, by what was heard of it.

        Returns:
            How it ended after all, and those that waited for it, each by its number.
        """

    @abstractmethod
    def note(self, number: int, text: str) -> None:
        """Take in something worth knowing that happened to a trial."""
