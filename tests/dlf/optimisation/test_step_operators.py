"""A step waits for no value and loops over no sample: what operators it calls."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dlf.config import Config, Value
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.training.batching import Batch
from dlf.training.optimisation import Optimisation
from tests.support.clips import batch_of, whole_clips
from tests.support.optimisations import DROPOUTS, Made

READING = {
    "aten::_local_scalar_dense",
    "aten::equal",
    "aten::is_nonzero",
    "aten::item",
    "aten::masked_select",
    "aten::nonzero",
    "aten::nonzero_static",
    "aten::unique_consecutive",
    "aten::_unique2",
}
"""operators that wait for a value, or whose result's size is one"""


class Operators(TorchDispatchMode):
    """Counts the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.calls[func._schema.name] += 1
        if func._schema.name.startswith("aten::index") and len(args) > 1:
            indices = args[1] if isinstance(args[1], list | tuple) else []
            assert all(i is None or i.dtype != torch.bool for i in indices), "a mask has to be read"
        return func(*args, **(kwargs or {}))


def operators_of(made: Made, batch: Batch) -> Counter[str]:
    """Return the operators of a step that is not the first."""
    _, _, optimisation = made
    optimisation.begin_epoch(2)
    optimisation.learn(batch)
    with Operators() as counted:
        optimisation.learn(batch)
    return counted.calls


def whole_batch(count: int, sizes: InputSizes) -> Batch:
    labels = torch.from_numpy(np.random.default_rng(0).integers(-3, 4, count).astype(np.float32))
    return Batch(batch_of(whole_clips(count, sizes)), labels)


STEPS: list[dict[str, Value]] = [
    dict.fromkeys(DROPOUTS, 0.2),
    {"padding": "reference"},
    {"precision": "bfloat16"},
    {"optimizer": "adamw", "clipping": "norm", "weight_decay": 0.1},
    {"clipping": "none"},
    {"attractor": "own", "orthogonality_width": 4},
    {"disentangled": False},
]


@pytest.mark.parametrize("values", STEPS, ids=str)
def test_a_step_reads_no_value_back_and_loops_over_no_sample(
    made: Callable[..., Made], tiny_sizes: InputSizes, values: dict[str, Value]
) -> None:
    few, many = (operators_of(made(**values), whole_batch(n, tiny_sizes)) for n in (3, 12))
    assert sum(few.values()) > 100, "the step was watched, its backward pass included"
    assert few["aten::_fused_adam_"] + few["aten::_fused_adamw_"] == 1
    assert not READING & set(few)
    assert few == many


def test_a_step_of_separate_stacks_neither(tiny_config: Config, unequal_sizes: InputSizes) -> None:
    found = []
    for count in (3, 12):
        torch.manual_seed(0)
        model = DLF(tiny_config.model, unequal_sizes)
        made = tiny_config, model, Optimisation(model, tiny_config, "cpu")
        found.append(operators_of(made, whole_batch(count, unequal_sizes)))
    assert not READING & set(found[0])
    assert found[0] == found[1]


def test_a_value_read_back_would_be_seen() -> None:
    for reading in (
        lambda x: x.sum().item(),
        lambda x: bool(x.any()),
        lambda x: x.nonzero(),
        lambda x: x.equal(x + 1),
    ):
        with Operators() as counted:
            reading(torch.ones(3))
        assert READING & set(counted.calls)
    with Operators(), pytest.raises(AssertionError, match="mask"):
        torch.ones(3)[torch.tensor([True, False, True])]
