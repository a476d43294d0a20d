"""A search without training, for the tests of its logic, one thread, and a Postgres."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from dlf.training.training import EpochRecord
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.simulation import SimulatedSearch


@pytest.fixture
def simulated(tmp_path: Path, record_of_mae: Callable[..., EpochRecord]) -> SimulatedSearch:
    """A search that runs in a moment."""
    return SimulatedSearch(tmp_path, record_of_mae)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny products are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres server; a test that stops it starts it again."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of a Postgres database for --storage, shared by all tests."""
    return postgres_server.url
