import threading

import pytest

from tracking.background import CERTAINLY_AWAY, BackgroundWriter, StoreAwayError


def test_work_is_done_in_order_and_off_the_calling_thread() -> None:
    writer = BackgroundWriter()
    seen: list[int] = []
    threads = [writer.submit(lambda n=n: (seen.append(n), threading.get_ident())) for n in range(9)]
    assert writer.drain() == []
    assert seen == list(range(9))
    assert threading.get_ident() not in {future.result()[1] for future in threads}


def test_absence_is_waited_for_and_later_work_keeps_its_turn() -> None:
    writer = BackgroundWriter(pause=0.001)
    attempts, seen = 0, []

    def returns_at_the_third() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise StoreAwayError("away")
        seen.append("first")

    writer.submit(returns_at_the_third)
    writer.submit(lambda: seen.append("second"))
    assert writer.drain() == []
    assert seen == ["first", "second"]


def test_a_refusal_costs_its_own_work_alone() -> None:
    writer = BackgroundWriter()
    seen: list[str] = []

    def refused() -> None:
        raise ValueError("no")

    writer.submit(refused)
    writer.submit(lambda: seen.append("next"))
    assert [str(error) for error in writer.drain()] == ["no"]
    assert seen == ["next"]


def test_patience_ends() -> None:
    writer = BackgroundWriter(pause=0.001, patience=0.0)

    def away() -> None:
        raise StoreAwayError("away")

    with pytest.raises(StoreAwayError):
        writer.submit(away).result(timeout=5)


def test_draining_gives_up_on_a_store_that_stays_away_without_trying_everything() -> None:
    writer = BackgroundWriter(pause=60.0, grace=0.0)
    attempts = []

    def away() -> None:
        attempts.append(1)
        raise StoreAwayError("away")

    for _ in range(50):
        writer.submit(away)
    assert len(writer.drain()) == 50
    assert len(attempts) == CERTAINLY_AWAY
