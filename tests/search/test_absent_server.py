"""A search whose database server stops in the middle: it waits, says so, and goes on."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psycopg
import pytest

from tests.support.postgres import PostgresServer
from tests.support.searches import Search, resume_to_the_end
from tests.support.study_driver import out_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]

TRIALS = 8
SOME_EPOCHS = 4
SIZE = ("--trials", TRIALS, "--max-epochs", 3)
ENDLESS = ("--trials", 1000, "--max-epochs", 3)


@pytest.fixture
def search(tiny_data: Path, tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Search]:
    """A search on a server that runs again afterwards."""
    yield Search(tmp_path, tiny_data, storage=postgres_server.url, name=tmp_path.name)
    postgres_server.start()


def line_with(words: str, stream: IO[str]) -> str:
    """Read up to the line that has some words in it."""
    found = next((line for line in stream if words in line), None)
    assert found is not None, f"nobody says {words!r}"
    return found


def err_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stderr is not None
    return process.stderr


def test_a_server_that_was_away_costs_nothing(
    search: Search, postgres_server: PostgresServer
) -> None:
    with search.running(*SIZE) as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        postgres_server.stop()
        said = line_with("does not answer", out_of(driver))
        assert said.startswith(f"the study's database {postgres_server.url} does not answer (")
        assert said.endswith("); the search waits for it, Ctrl-C ends it\n")
        postgres_server.start()
        said = line_with("answers again", out_of(driver))
        assert said == "the study's database answers again; the search goes on\n"
        out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, err
    assert err == ""
    assert "does not answer" not in out
    assert search.states == ["COMPLETE"] * TRIALS
    assert search.audit() == []


def test_sessions_that_the_server_ends_cost_nothing(
    search: Search, postgres_server: PostgresServer
) -> None:
    address = postgres_server.url.replace("+psycopg", "")

    def end_sessions() -> None:
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    with search.running(*SIZE) as driver:
        for epochs in range(1, TRIALS * 3 - 3):
            search.wait_for_epochs(epochs, driver)
            end_sessions()
        out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, err
    assert (err, out.count("does not answer")) == ("", 0)
    assert search.states == ["COMPLETE"] * TRIALS
    assert search.audit() == []


def test_ctrl_c_ends_the_waiting(search: Search, postgres_server: PostgresServer) -> None:
    with search.running(*ENDLESS) as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        postgres_server.stop()
        line_with("does not answer", out_of(driver))
        driver.send_signal(signal.SIGINT)
        _, err = driver.communicate(timeout=60)
    assert driver.returncode == 130, err
    assert "Traceback" not in err
    assert sum(line.startswith("go on with: ") for line in err.splitlines()) == 1
    postgres_server.start()
    resume_to_the_end(search)


def test_a_second_signal_ends_it_at_once(search: Search, postgres_server: PostgresServer) -> None:
    with search.running(*ENDLESS) as driver:
        search.wait_for_epochs(SOME_EPOCHS, driver)
        postgres_server.stop()
        line_with("does not answer", out_of(driver))
        driver.send_signal(signal.SIGINT)
        line_with("stopping safely; Ctrl-C again", err_of(driver))
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=60)
    assert driver.returncode == 130
    postgres_server.start()
    resume_to_the_end(search)


def test_a_search_does_not_begin_without_its_server(
    search: Search, postgres_server: PostgresServer
) -> None:
    assert search.run("--trials", 1, "--max-epochs", 1).code == 0
    postgres_server.stop()
    for more in ((), ("--resume",)):
        done = search.run(*more)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"the study's database {postgres_server.url} does not answer (")
        assert done.err.endswith("); begin again when it does, or give another --storage\n")


def test_a_search_that_ends_waits_no_more(
    search: Search, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object) -> None:
        postgres_server.stop()
        raise KeyboardInterrupt

    monkeypatch.setattr("search.run.train", train)
    # So that one that waits comes to an end, too.
    starter = threading.Timer(30, postgres_server.start)
    starter.start()
    done = search.run(*SIZE)
    starter.cancel()
    starter.join()
    assert done.code == 130, done.err
    assert "the report could not be written" in done.out
