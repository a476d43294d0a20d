"""What needs a GPU is skipped where there is none, with a word."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def gpu() -> None:
    """A GPU that torch can use."""
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU that torch can use")
