"""A real sqlite store and a real MLflow server to record into."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tracking.location import TrackingLocation, resolve
from tracking.mlflow_store import MlflowStore, connect, quiet_mlflow
from tracking.records import StudyRecord, TrialRecord

SERVER_DEADLINE = 45.0

quiet_mlflow()


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    location = resolve(f"sqlite:///{tmp_path_factory.mktemp('template') / 'mlflow.db'}")
    connect(location)
    assert location.database_file is not None
    return location.database_file


@pytest.fixture
def sqlite_location(template_database: Path, tmp_path: Path) -> TrackingLocation:
    file = tmp_path / "a store #1" / "mlflow.db"
    file.parent.mkdir()
    shutil.copy(template_database, file)
    return resolve(f"sqlite:///{file}")


@pytest.fixture(scope="session")
def free_port() -> int:
    return unused_port()


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def server_location(
    template_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingLocation]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(template_database, folder / "mlflow.db")
    port = unused_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_api(f"http://127.0.0.1:{port}", process, folder / "log")
        yield resolve(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for_api(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    url = f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0"
    deadline = time.monotonic() + SERVER_DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
    raise AssertionError(f"no MLflow server at {address}:\n{log.read_text()}")


@pytest.fixture(params=["sqlite", "server"])
def location(request: pytest.FixtureRequest) -> TrackingLocation:
    found = request.getfixturevalue(f"{request.param}_location")
    assert isinstance(found, TrackingLocation)
    return found


@pytest.fixture
def store(location: TrackingLocation) -> MlflowStore:
    return connect(location)


@pytest.fixture
def study(request: pytest.FixtureRequest) -> StudyRecord:
    return StudyRecord(name=request.node.name, dataset="mosi", tags={"dlf.data": "a digest"})


@pytest.fixture
def trial() -> Callable[[int], TrialRecord]:
    def build(number: int) -> TrialRecord:
        return TrialRecord(
            number=number,
            name=f"trial {number}",
            params={"learning_rate": 0.1 + 0.2, "batch_size": 16, "text": "frozen"},
            config_yaml=f"number: {number}\n",
            seed=7,
        )

    return build
