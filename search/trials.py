"""A trial as the search plans it, and what anything that hands out trials must do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from dlf.config import Config, Value
from dlf.training import EpochRecord
from tracking.records import Outcome


class TrialPlan(BaseModel):
    """One training to be done: a configuration and a seed, under a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    name: str
    params: Mapping[str, Value]
    """what distinguishes the configuration, as named in the space"""
    config: Config
    seed: int


class TrialSource(ABC):
    """Hands out trials and is told, in order, how each of them goes."""

    @abstractmethod
    def next_trial(self) -> TrialPlan | None:
        """Return the next trial, or none when there are no more."""

    @abstractmethod
    def report(self, number: int, record: EpochRecord) -> bool:
        """Take in an epoch of a trial; return whether the trial should go on."""

    @abstractmethod
    def end(self, number: int, outcome: Outcome) -> None:
        """Take in how a trial ended."""
