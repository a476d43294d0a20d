"""What a search says when none of its trials can begin."""

from types import SimpleNamespace
from typing import Any

import pytest

from search.engine import waiting as module
from search.engine.waiting import Waiting
from search.resources.allotment import Resources


class Watched:
    """A `Waiting`, the clock that it reads, and what it told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.told: list[str] = []
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module.ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
        monkeypatch.setattr(module.ray, "available_resources", lambda: {"CPU": 0.5, "GPU": 1.0})
        resources = Resources(cpus_per_trial=2, gpus_per_trial=0.25, max_concurrent=2)
        self.waiting = Waiting(resources, self.told.append)

    def look(self, *under_way: str, after: float) -> list[str]:
        self.now += after
        self.waiting.look(set(under_way))
        return self.told

    def begin(self, key: str) -> None:
        trial: Any = SimpleNamespace(trial_id=key)
        self.waiting.on_trial_start(0, [], trial)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_it_tells_once_what_is_waited_for(watched: Watched) -> None:
    assert watched.look("a", "b", after=19) == []
    told = watched.look("a", "b", after=2)
    assert told == [
        "waiting for 0.25 GPU, 2 CPU, which no node has free now: 3.5 of 4 CPUs and 0 of 1 GPUs of "
        "the cluster are taken"
    ]
    assert len(watched.look("a", "b", after=100)) == 1


def test_while_one_trains_nothing_is_waited_for(watched: Watched) -> None:
    watched.begin("a")
    assert watched.look("a", "b", after=100) == []
    assert watched.look("b", after=10) == [], "the place of a may just be given to b"
    assert len(watched.look("b", after=100)) == 1


def test_without_trials_nothing_is_waited_for(watched: Watched) -> None:
    assert watched.look(after=100) == []


def test_it_tells_again_when_it_comes_to_it_again(watched: Watched) -> None:
    watched.look("a", after=21)
    watched.begin("a")
    watched.look("a", after=1)
    assert len(watched.look("b", after=21)) == 2
