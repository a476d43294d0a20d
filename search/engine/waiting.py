"""Says what a search waits for when none of its trials can begin."""

from collections.abc import Callable, Set
from time import monotonic
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from search.engine.tune_adapters import NotRestored
from search.resources.allotment import Resources

PATIENCE_SECONDS = 20.0
"""after which trials that should begin at once are told to be waiting"""


class Waiting(NotRestored, Callback):
    """Knows which trials have begun on a node, and tells when none can."""

    def __init__(self, resources: Resources, tell: Callable[[str], None]) -> None:
        self._resources = resources
        self._tell = tell
        self._begun: set[str] = set()
        self._since = monotonic()
        self._told = False

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Take in that a trial has its place."""
        self._begun.add(trial.trial_id)

    def look(self, under_way: Set[str]) -> None:
        """Tell once when of the trials under way, by their keys, none has begun for a while."""
        self._begun &= under_way
        if self._begun or not under_way:
            self._since, self._told = monotonic(), False
        elif not self._told and monotonic() - self._since > PATIENCE_SECONDS:
            self._told = True
            self._tell(
                f"waiting for {self._resources.share}, which no node has free now: "
                f"{_taken('CPU')} and {_taken('GPU')} of the cluster are taken"
            )


def _taken(kind: str) -> str:
    there = ray.cluster_resources().get(kind, 0.0)
    free = ray.available_resources().get(kind, 0.0)
    return f"{there - free:g} of {there:g} {kind}s"
