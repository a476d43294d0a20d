"""Searches whose MLflow server is away, and what is sent when it comes back."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.searches import Search
from tracking.sending.recorded import recorded_trials
from tracking.store.location import resolve

pytestmark = pytest.mark.slow

TRIALS = ("--trials", 2, "--max-epochs", 3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def search(tmp_path: Path, tiny_data: Path, server: MlflowServer, ray_here: None) -> Search:
    return Search(tmp_path, tiny_data, name=tmp_path.name, tracking=server.address)


def sync_command(search: Search, server: MlflowServer) -> str:
    words = ["--study", search.name, "--output", str(search.place.folder.parent)]
    return shlex.join(["python", "-m", "tracking.sync", *words, "--tracking-uri", server.address])


def test_a_server_that_goes_away_costs_nothing_and_is_told_later(
    search: Search, server: MlflowServer
) -> None:
    with search.after_epochs(2, server.kill):
        done = search.run(*TRIALS)
    assert done.code == 0
    assert search.states == ["COMPLETE", "COMPLETE"]
    assert "is away" in done.out
    assert f"`{sync_command(search, server)}` sends it" in done.err
    assert len(done.err.splitlines()) == 1

    done = search.sync()
    assert done.code == 1
    assert "does not answer" in done.err

    server.start()
    for _ in range(2):
        done = search.sync()
        assert (done.code, done.err) == (0, "")
        assert done.out == f"everything recorded of {search.name} is in {server.address}\n"
        assert search.audit() == []


def test_a_search_begins_without_its_server_only_when_told_so(
    search: Search, server: MlflowServer
) -> None:
    server.kill()
    refused = search.run(*TRIALS)
    assert refused.code == 2
    assert re.fullmatch(
        f"the tracking store {server.address} cannot be used: Connection (refused|reset by peer); "
        "--tracking-offline begins without it\n",
        refused.err,
    )
    assert not search.place.folder.exists()

    offline = search._replace(name="offline")
    done = offline.run(*TRIALS, "--tracking-offline")
    assert done.code == 0
    assert f"`{sync_command(offline, server)}` sends it" in done.err
    assert offline.states == ["COMPLETE", "COMPLETE"]

    server.start()
    assert offline.sync().code == 0
    assert offline.audit() == []
    opened = offline.place.load()
    runs = recorded_trials(resolve(server.address), opened.key)
    assert [run.epochs for (run,) in runs.values()] == [(1, 2, 3)] * 2


def test_with_json_an_outage_is_told_beside_the_result(
    search: Search, server: MlflowServer
) -> None:
    with search.after_epochs(2, server.kill):
        done = search.run(*TRIALS, "--json")
    server.start()
    assert done.code == 0
    assert json.loads(done.out)["trials"]["complete"] == 2
    assert len(done.out.splitlines()) == 1
    assert "is away" in done.err


def test_a_study_that_was_never_recorded_is_named(search: Search) -> None:
    done = search.sync()
    assert done.code == 2
    assert "there is no tracking.jsonl in" in done.err
