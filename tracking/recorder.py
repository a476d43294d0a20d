"""The interface of everything that records a search as it goes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from tracking.records import Outcome, Summary, TrialFacts, TrialRecord


class Recorder(ABC):
    """Told of every trial, in order: start, epochs, facts, end. It never makes the search wait."""

    @abstractmethod
    def start_trial(self, trial: TrialRecord) -> None:
        """Record that a trial begins."""

    @abstractmethod
    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the metrics of one epoch of trial `number`; epochs count from 1."""

    @abstractmethod
    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Record what the training of trial `number` took, when it is about to end."""

    @abstractmethod
    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Record how trial `number` ended."""

    @abstractmethod
    def finish(self, summary: Summary) -> str | None:
        """Record what it all came to, and wait until everything is kept.

        Returns:
            What could not be kept, in one sentence, or none.
        """


class Recorders(Recorder):
    """Several recorders that are told the same."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders

    def start_trial(self, trial: TrialRecord) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.start_trial(trial)

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.log_epoch(number, epoch, metrics)

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.log_facts(number, facts)

    def end_trial(self, number: int, outcome: Outcome) -> None:
        """Pass it on."""
        for recorder in self._recorders:
            recorder.end_trial(number, outcome)

    def finish(self, summary: Summary) -> str | None:
        """Pass it on, and return what any of them says."""
        said = [recorder.finish(summary) for recorder in self._recorders]
        return next((sentence for sentence in said if sentence is not None), None)
