"""A real sqlite store and a real MLflow server to record into."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_server import MlflowServer, unused_port
from tests.support.tracking_stores import store_at
from tracking.journal.file import TRACKING_FILE
from tracking.records import StudyRecord, TrialRecord
from tracking.store.connection import connect, quiet_mlflow
from tracking.store.location import TrackingLocation, resolve
from tracking.store.mlflow_store import MlflowStore

quiet_mlflow()


@pytest.fixture
def sqlite_location(tmp_path: Path) -> TrackingLocation:
    folder = tmp_path / "a store #1"
    folder.mkdir()
    return store_at(folder / "mlflow.db")


@pytest.fixture(scope="session")
def free_port() -> int:
    return unused_port()


@pytest.fixture(scope="session")
def server_location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingLocation]:
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield resolve(server.address)
    server.kill()


@pytest.fixture
def absent_server(tmp_path: Path) -> Iterator[MlflowServer]:
    """A server that is yet to be started."""
    server = MlflowServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def mortal_server(absent_server: MlflowServer) -> MlflowServer:
    absent_server.start()
    return absent_server


@pytest.fixture(params=["sqlite", "server"])
def location(request: pytest.FixtureRequest) -> TrackingLocation:
    found = request.getfixturevalue(f"{request.param}_location")
    assert isinstance(found, TrackingLocation)
    return found


@pytest.fixture
def store(location: TrackingLocation) -> MlflowStore:
    return connect(location)


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    return tmp_path / TRACKING_FILE


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
