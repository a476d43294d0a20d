"""What learns in the tests of the optimisation: a configuration, its model, and the recipe."""

from dlf.config import Config
from dlf.model.dlf import DLF
from dlf.training.optimisation import Optimisation

DROPOUTS = [name for name in Config().values() if name.endswith("_dropout")]

Made = tuple[Config, DLF, Optimisation]
