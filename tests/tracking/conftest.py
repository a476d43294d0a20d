"""A real sqlite store and a real MLflow server to record into."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_server import MlflowServer, unused_port
from tracking.journal import TRACKING_FILE
from tracking.location import TrackingLocation, resolve
from tracking.mlflow_connection import connect, quiet_mlflow
from tracking.mlflow_store import MlflowStore
from tracking.records import StudyRecord, TrialRecord

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


@pytest.fixture(scope="session")
def server_location(
    template_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingLocation]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(template_database, folder / "mlflow.db")
    server = MlflowServer(folder)
    server.start()
    yield resolve(server.address)
    server.kill()


@pytest.fixture
def mortal_server(template_database: Path, tmp_path: Path) -> Iterator[MlflowServer]:
    shutil.copy(template_database, tmp_path / "mlflow.db")
    server = MlflowServer(tmp_path)
    server.start()
    yield server
    server.kill()


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
