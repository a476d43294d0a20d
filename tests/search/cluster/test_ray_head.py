"""A head that is gone is told in words, whether it refuses, falls silent or was our own."""

import threading
from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace

import pytest
import ray

from dlf.command import EXIT_FAILED, WorkFailedError
from search.cluster import ray_head
from search.cluster.ray_head import LOOKS_WITHOUT_ANSWER, HeadWatch, refuse_if_ray_died

Said = list[bool | None]
"""by a head, look by look: that it answers or not, or refuses (None)"""
SECONDS = 30.0


@pytest.mark.parametrize(
    ("dead", "told"),
    [(["raylet"], "raylet"), (["log_monitor", "gcs_server"], "gcs_server")],
)
def test_a_process_that_ray_cannot_do_without(
    monkeypatch: pytest.MonkeyPatch, dead: list[str], told: str
) -> None:
    node = SimpleNamespace(dead_processes=lambda: [(name, None) for name in dead])
    monkeypatch.setattr(ray._private.worker, "_global_node", node)
    with pytest.raises(WorkFailedError, match=f"Ray has lost its {told}, without which"):
        refuse_if_ray_died()


@pytest.mark.parametrize("dead", [None, [], ["log_monitor"]])
def test_it_goes_on_without_the_others(
    monkeypatch: pytest.MonkeyPatch, dead: list[str] | None
) -> None:
    node = None
    if dead is not None:
        node = SimpleNamespace(dead_processes=lambda: [(name, None) for name in dead])
    monkeypatch.setattr(ray._private.worker, "_global_node", node)
    refuse_if_ray_died()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes with which the process would have been ended."""
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    return codes


class FakeHead:
    """A head that goes on with what it said last, and counts how often it is asked."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.asked = 0

    def answers(self) -> bool:
        self.asked += 1
        answer = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if answer is None:
            raise ConnectionRefusedError
        return answer

    def __str__(self) -> str:
        return "head:6379"


@pytest.fixture
def watching(
    monkeypatch: pytest.MonkeyPatch, ended: list[int]
) -> Iterator[Callable[[FakeHead], HeadWatch]]:
    """Watch a head, without pauses."""
    watches: list[HeadWatch] = []

    def watch(head: FakeHead) -> HeadWatch:
        context = SimpleNamespace(gcs_address="head:6379")
        monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
        monkeypatch.setattr(ray_head, "Head", SimpleNamespace(parse=lambda _: head))
        watches.append(HeadWatch())
        return watches[-1]

    monkeypatch.setattr(ray_head, "LOOK_SECONDS", 0.001)
    yield watch
    for each in watches:
        each.close()


@pytest.mark.parametrize(
    ("said", "looks"),
    [
        ([True, None], 2),
        (
            [*[False] * (LOOKS_WITHOUT_ANSWER - 1), True, False],
            2 * LOOKS_WITHOUT_ANSWER,
        ),
    ],
)
def test_one_that_refuses_or_stays_silent_is_gone(
    watching: Callable[[FakeHead], HeadWatch], ended: list[int], said: Said, looks: int
) -> None:
    head = FakeHead(said)
    watch = watching(head)
    assert watch._gone.wait(SECONDS)
    assert head.asked == looks
    with pytest.raises(WorkFailedError, match="cluster at head:6379 does not answer any more"):
        watch.refuse_if_gone()
    assert ended == []


def test_a_driver_that_is_caught_by_a_lost_head_is_ended_in_words(
    watching: Callable[[FakeHead], HeadWatch],
    ended: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ray_head, "DRIVER_SECONDS", 0.0)
    left = Event()
    monkeypatch.setattr("os._exit", lambda code: (ended.append(code), left.set()))
    watching(FakeHead([None]))
    assert left.wait(SECONDS)
    assert ended == [EXIT_FAILED]
    assert "the head of the Ray cluster at head:6379 does not answer" in capsys.readouterr().err


def test_nobody_looks_after_it_is_closed(
    watching: Callable[[FakeHead], HeadWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_head, "LOOK_SECONDS", 3600.0)
    before = set(threading.enumerate())
    head = FakeHead([None])
    watch = watching(head)
    (thread,) = set(threading.enumerate()) - before
    watch.close()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert head.asked == 0
