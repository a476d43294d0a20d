"""Waiting for a server: how long, what is said, and what ends it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from search.storage.lost_connection import LostConnectionError
from search.storage.patience import LONGEST_PAUSE, Patience

LOST = LostConnectionError("postgresql://lab3/dlf", "refused")


class Server:
    """Does not answer for a number of times."""

    def __init__(self, absences: int) -> None:
        self._absences = absences
        self.asked: list[str] = []

    def asks(self, name: str) -> Callable[[], str]:
        def ask() -> str:
            self.asked.append(name)
            if len(self.asked) <= self._absences:
                raise LOST
            return name

        return ask


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def patience(said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Patience]:
    """Patience on a clock that is a minute further at every look, and that need not wait."""
    clock = iter(range(0, 60_000, 60))
    monkeypatch.setattr("search.storage.patience.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("search.storage.patience.FIRST_PAUSE", 0.0)
    patience = Patience()
    patience.tell = said.append
    return patience


def test_a_server_that_answers_is_asked_once(patience: Patience, said: list[str]) -> None:
    server = Server(absences=0)
    assert patience.run(server.asks("first"), server.asks("again")) == "first"
    assert server.asked == ["first"]
    assert said == []


def test_who_holds_out_waits_and_says_so_once(patience: Patience, said: list[str]) -> None:
    server = Server(absences=20)
    patience.hold_out("the search")
    assert patience.run(server.asks("first"), server.asks("again")) == "again"
    assert server.asked == ["first", *["again"] * 20]
    assert said == [
        "the study's database postgresql://lab3/dlf does not answer (refused); the search waits "
        "for it, Ctrl-C ends it",
        "the study's database answers again; the search goes on",
    ]


def test_a_short_absence_is_not_worth_a_word(
    patience: Patience, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.storage.patience.monotonic", lambda: 0.0)
    patience.hold_out("the search")
    patience.run(Server(absences=5).asks("work"))
    assert said == []


def test_who_only_looks_waits_a_moment(patience: Patience, said: list[str]) -> None:
    server = Server(absences=10)
    with pytest.raises(LostConnectionError, match=r"does not answer \(refused\); try again when"):
        patience.run(server.asks("work"))
    assert len(server.asked) == 2
    assert said == []


def test_other_errors_are_raised_at_once(patience: Patience) -> None:
    patience.hold_out("the search")

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        patience.run(fail)


def test_what_was_lost_is_recovered_before_anything_is_asked_again(patience: Patience) -> None:
    server = Server(absences=3)
    patience.hold_out("the search", server.asks("recover"))
    assert patience.run(server.asks("work")) == "work"
    assert server.asked == ["work", "recover", "recover", "recover", "work"]


def test_giving_up_ends_a_pause_at_once_and_waits_no_more(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.storage.patience.FIRST_PAUSE", 1000.0)
    patience, waits = Patience(), threading.Event()
    patience.tell = said.append
    patience.hold_out("the search")

    def ask() -> None:
        waits.set()
        raise LOST

    def give_up() -> None:
        assert waits.wait(30)
        patience.give_up()

    thread = threading.Thread(target=give_up)
    thread.start()
    for _ in range(2):
        with pytest.raises(LostConnectionError):
            patience.run(ask)
    thread.join()
    assert patience.run(lambda: "answer") == "answer"


def test_the_pauses_grow_up_to_a_limit(patience: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.storage.patience.FIRST_PAUSE", 0.1)
    pauses: list[float] = []
    patience.hold_out("the search")
    monkeypatch.setattr(threading.Event, "wait", lambda _, pause: pauses.append(pause))
    patience.run(Server(absences=9).asks("work"))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_nothing_is_asked_before_what_was_lost_is_recovered(patience: Patience) -> None:
    server, asked = Server(absences=1), []

    def refuse() -> None:
        raise ZeroDivisionError

    patience.hold_out("the search", refuse)
    for work in (server.asks("first"), lambda: asked.append("second")):
        with pytest.raises(ZeroDivisionError):
            patience.run(work)
    assert (server.asked, asked) == (["first"], [])
