"""What all tests share: a tiny dataset, one local Ray, and the record of an epoch."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ.pop("DLF_STORAGE", None)
os.environ.pop("RAY_ADDRESS", None)

from dlf.data import mmsa, synthetic
from dlf.data.store import write_dataset
from dlf.training.training import EpochRecord
from search.cluster.ray_session import ray_session
from tests.support.epoch_records import epoch_record
from tests.support.s3_server import S3Server, running_s3

# A busy machine stalls an example now and then, and a run of the tests is like any other.
settings.register_profile("dlf", deadline=None, derandomize=True)
settings.load_profile("dlf")

TINY_CLIPS = {"train": 32, "valid": 12, "test": 12}


def pytest_configure() -> None:
    """Let SIGINT interrupt what tests start; a shell's background job begins with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose synthetic dataset has only a few clips."""
    folder = tmp_path_factory.mktemp("data")
    content = synthetic.generate(0)
    for name, clips in TINY_CLIPS.items():
        content[name] = {key: rows[:clips] for key, rows in content[name].items()}
    write_dataset(
        mmsa.clean(content), dataset="synthetic", data_dir=folder, source="tiny", source_sha256=None
    )
    return folder


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """One Ray on this machine for the whole session."""
    with ray_session():
        yield


@pytest.fixture
def record_of_mae() -> Callable[..., EpochRecord]:
    """Make the record of an epoch from its validation MAE and the best one up to it."""
    return epoch_record


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server; a test that makes it fall silent lets it come back."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server
