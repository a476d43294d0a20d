"""Models without dropout, and what learns with them."""

from collections.abc import Callable

import pytest
import torch

from dlf.config import Config, Value
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.training.optimisation import Optimisation
from tests.support.optimisations import DROPOUTS, Made


@pytest.fixture(scope="module")
def made(tiny_config: Config, tiny_sizes: InputSizes) -> Callable[..., Made]:
    """Make a model without dropout, and what learns with it."""

    def make(**values: Value) -> Made:
        config = tiny_config.with_values(dict.fromkeys(DROPOUTS, 0.0) | values)
        torch.manual_seed(0)
        model = DLF(config.model, tiny_sizes)
        return config, model, Optimisation(model, config, "cpu")

    return make
