"""A search without training, for the tests of its logic."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dlf.training import EpochRecord
from tests.support.simulation import SimulatedSearch


@pytest.fixture
def simulated(tmp_path: Path, record_of_mae: Callable[..., EpochRecord]) -> SimulatedSearch:
    """A search that runs in a moment."""
    return SimulatedSearch(tmp_path, record_of_mae)
