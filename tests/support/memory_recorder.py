"""A recorder that keeps in memory all that it is told."""

from collections.abc import Mapping

from tracking.recorder import Recorder
from tracking.records import Outcome, Summary, TrialFacts, TrialRecord


class MemoryRecorder(Recorder):
    """Keeps everything that it is told."""

    def __init__(self) -> None:
        self.started: list[TrialRecord] = []
        self.epochs: dict[int, list[int]] = {}
        self.facts: dict[int, TrialFacts] = {}
        self.ended: dict[int, Outcome] = {}

    def start_trial(self, trial: TrialRecord) -> None:
        self.started.append(trial)
        self.epochs.setdefault(trial.number, [])

    def log_epoch(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        assert "valid/mae" in metrics
        if epoch not in self.epochs[number]:
            self.epochs[number].append(epoch)

    def log_facts(self, number: int, facts: TrialFacts) -> None:
        self.facts[number] = facts

    def end_trial(self, number: int, outcome: Outcome) -> None:
        assert self.ended.get(number, outcome) == outcome
        self.ended[number] = outcome

    def finish(self, summary: Summary) -> None:
        """Nothing is left to do."""
