"""The health check of an MLflow server: green only where the server can work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.mlflow_server import MlflowServer, unused_port
from tracking.store.location import TrackingLocation


def ask(uri: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracking.health", uri],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def choosy_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    """A server that may be called by its address alone."""
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "127.0.0.1:*")
    server = MlflowServer(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_server_that_works_is_well(server_location: TrackingLocation) -> None:
    done = ask(server_location.uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"the MLflow server at {server_location.uri} works\n"


def test_a_name_that_the_server_does_not_know_is_seen(choosy_server: MlflowServer) -> None:
    """Its own /health would be green for it."""
    assert ask(choosy_server.address).returncode == 0
    done = ask(choosy_server.address.replace("127.0.0.1", "localhost"))
    assert done.returncode == 1
    assert "answers with 403: Invalid Host header" in done.stderr


def test_a_server_without_its_database_is_not_well(
    mortal_server: MlflowServer, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database")
    done = ask(mortal_server.address)
    assert done.returncode == 1
    assert "answers with 400" in done.stderr


def test_nothing_at_all_is_not_well() -> None:
    done = ask(f"http://somebody:secret@127.0.0.1:{unused_port()}")
    assert done.returncode == 1
    assert "does not answer (ConnectionError)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_it_costs_no_import_of_mlflow() -> None:
    code = "import sys, tracking.health; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
