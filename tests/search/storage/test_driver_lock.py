"""One driver for a study at a time, on every kind of storage: real processes, killed for real."""

import os
import select
import socket
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from dlf.command import BadInputError
from search.storage.driver_lock import hold_study, holder_of
from search.storage.study_lock import Holder
from tests.support.study_driver import Place, driver, out_of


@pytest.fixture(params=["journal", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    match request.param:
        case "sqlite":
            return Place(tmp_path, f"sqlite:///{tmp_path}/study.db")
        case "postgres":
            return Place(tmp_path, request.getfixturevalue("postgres_url"))
    return Place(tmp_path, None)


def test_a_second_driver_is_refused_with_who_holds_the_study(place: Place) -> None:
    with driver(place) as first, pytest.raises(BadInputError) as refusal, hold_study(*place):
        pytest.fail("held twice")
    sentence = str(refusal.value)
    assert f"the study 'mosi' is held by process {first.pid} of " in sentence
    assert f" on host {socket.gethostname()}, since 20" in sentence
    assert sentence.endswith(f"; wait for it, or end it (kill {first.pid})")
    assert len(sentence.splitlines()) == 1


def test_a_killed_driver_frees_the_study_at_once(place: Place) -> None:
    with driver(place) as first:
        first.kill()
        first.wait()
        with hold_study(*place):
            holder = holder_of(*place)
    assert holder is not None
    assert holder.pid == os.getpid()


def test_children_of_a_killed_driver_do_not_hold_the_study(place: Place) -> None:
    with driver(place, "child") as first:
        first.kill()
        first.wait()
        assert not select.select([out_of(first)], [], [], 0)[0], "the child has ended already"
        with hold_study(*place):
            pass


def test_a_driver_that_ends_frees_the_study(place: Place) -> None:
    with driver(place) as first:
        pass
    assert first.returncode == 0
    assert holder_of(*place) is None
    with hold_study(*place) as lock:
        assert lock.still_held()
    with driver(place):
        pass


def test_a_driver_that_fails_frees_the_study(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), hold_study(*place):
        raise ZeroDivisionError
    assert holder_of(*place) is None


def test_who_holds_a_study_is_told_without_disturbing_it(place: Place) -> None:
    assert holder_of(*place) is None
    assert not list(place.folder.iterdir())
    with driver(place) as first:
        for _ in range(3):
            holder = holder_of(*place)
            assert holder is not None
            assert (holder.pid, holder.host) == (first.pid, socket.gethostname())
        with pytest.raises(BadInputError, match=str(first.pid)), hold_study(*place):
            pytest.fail("held twice")


def test_a_driver_starts_while_others_look(place: Place) -> None:
    enough = Event()

    def look() -> None:
        while not enough.is_set():
            holder_of(*place)

    onlookers = [Thread(target=look) for _ in range(2)]
    for onlooker in onlookers:
        onlooker.start()
    try:
        for _ in range(10):
            with hold_study(*place) as lock:
                assert lock.still_held()
    finally:
        enough.set()
        for onlooker in onlookers:
            onlooker.join()


def test_studies_beside_each_other_are_held_apart(place: Place) -> None:
    other = place._replace(name="mosei", folder=place.folder / "mosei")
    other.folder.mkdir()
    with hold_study(*place), hold_study(*other):
        pass


def test_drivers_on_another_database_server_meet_in_the_folder(tmp_path: Path) -> None:
    place = Place(tmp_path, "mysql://nowhere/studies")
    with (
        hold_study(*place),
        pytest.raises(BadInputError, match=f"held by process {os.getpid()} "),
        hold_study(*place),
    ):
        pytest.fail("held twice")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_drivers_with_different_outputs_meet_at_the_storage(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "link.db").symlink_to("study.db")
    here, there = f"sqlite:///{tmp_path}/study.db", f"sqlite:///{tmp_path}/link.db"
    if kind == "postgres":
        here = there = request.getfixturevalue("postgres_url")
    with (
        driver(Place(tmp_path / "one", here)) as first,
        pytest.raises(BadInputError, match=f"held by process {first.pid} "),
        hold_study(tmp_path / "two", there, "mosi"),
    ):
        pytest.fail("held twice")


def test_what_a_dead_driver_left_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, None)
    with driver(place) as first:
        first.kill()
        first.wait()
    told = tmp_path / "study.driver.json"
    stale = told.read_text()
    assert Holder.model_validate_json(stale).pid == first.pid
    assert holder_of(*place) is None
    with driver(place) as second:
        said = told.read_text()
        told.write_text(stale)
        monkeypatch.setattr("search.storage.file_lock.time.sleep", lambda _: told.write_text(said))
        holder = holder_of(*place)
    assert holder is not None
    assert holder.pid == second.pid


def test_a_holder_that_says_nothing_is_refused_without_its_name(tmp_path: Path) -> None:
    place = Place(tmp_path, None)
    with driver(place):
        (tmp_path / "study.driver.json").write_text("{")
        with pytest.raises(BadInputError, match="a process that does not say"), hold_study(*place):
            pytest.fail("held twice")


def test_a_lock_whose_folder_was_deleted_is_no_longer_held(tmp_path: Path) -> None:
    with hold_study(tmp_path, None, "mosi") as lock:
        assert lock.still_held()
        (tmp_path / "study.driver.lock").unlink()
        assert not lock.still_held()
        with driver(Place(tmp_path, None)) as other:
            assert not lock.still_held()
            holder = holder_of(tmp_path, None, "mosi")
    assert holder is not None
    assert holder.pid == other.pid


def test_a_holder_tells_its_command_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "--storage", "postgresql://anna:secret@lab3/dlf"])
    with hold_study(tmp_path, None, "mosi"):
        holder = holder_of(tmp_path, None, "mosi")
    assert holder is not None
    assert holder.command == ("run.py", "--storage", "postgresql://anna:***@lab3/dlf")


def test_a_holder_reads_as_a_sentence() -> None:
    said = {"host": "lab3", "pid": 4711, "user": "anna", "since": "2026-11-24T11:00:00+01:00"}
    holder = Holder.model_validate(said)
    assert str(holder) == "process 4711 of anna on host lab3, since 2026-11-24 10:00 UTC"
    assert holder.refusal("a").endswith("or end it (kill 4711 on lab3)")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "not the URL of a database"),
        ("postgresql+psycopg://anna:secret@127.0.0.1:1/dlf", "cannot be opened"),
        ("postgresql+nodriver://anna:secret@127.0.0.1:1/dlf", "cannot be opened"),
        ("sqlite:///{folder}/not/there/study.db", "cannot be used .No such file"),
    ],
)
def test_a_place_that_cannot_be_locked_is_refused_in_one_line(
    tmp_path: Path, url: str, words: str
) -> None:
    url = url.format(folder=tmp_path)
    with pytest.raises(BadInputError, match=words) as refusal, hold_study(tmp_path, url, "mosi"):
        pytest.fail("held")
    assert not list(tmp_path.iterdir())
    assert len(str(refusal.value).splitlines()) == 1
    assert "secret" not in str(refusal.value)
