"""Half the batch and twice the accumulation: the same steps, or none where it cannot be."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from dlf.config import Config, Value
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.training.batching import Batch, Clips
from dlf.training.halved_batch import halved_batch
from dlf.training.optimisation import Optimisation
from tests.support.optimisations import DROPOUTS

ADDITIVE: dict[str, Value] = dict.fromkeys(DROPOUTS, 0.0) | {"lambda_m": 0.0}
"""no dropout, and no loss that compares the clips of a batch"""
STEPS = 3
NORM, VALUE = 8.0, 1.8
"""bounds that a batch goes beyond and half a batch of it does not"""


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def no_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside Adam's epsilon the scale of a gradient matters."""
    monkeypatch.setattr("dlf.training.adam.EPSILON", 1e-15)


@pytest.fixture
def parameters_after(
    double_precision: None,
    no_epsilon: None,
    planted_split: Callable[..., Split],
    tiny_config: Config,
    tiny_sizes: InputSizes,
) -> Callable[..., Tensor]:
    """Train some steps on the same clips in the same order, however they are cut into batches.

    Each configuration goes on with what the one before it came to.
    """

    def train(*configs: Config) -> Tensor:
        recipe = configs[0].training
        split = planted_split(recipe.batch_size * recipe.accumulation * STEPS, seed=3)
        torch.manual_seed(0)
        model = DLF(configs[0].model, tiny_sizes)
        state = None
        for config in configs:
            optimisation = Optimisation(model, config, "cpu")
            if state is not None:
                optimisation.restore(state)
            clips = Clips(split, tiny_sizes, config, "cpu")
            orders = torch.arange(len(clips)).split(config.training.batch_size)
            optimisation.begin_epoch(len(orders))
            for rows in orders:
                batch = clips.batch(rows.numpy())
                inputs = {m: x._replace(values=x.values.double()) for m, x in batch.inputs.items()}
                optimisation.learn(Batch(inputs, batch.labels.double()))
            state = optimisation.state()
        assert state is not None
        assert state["steps"] == STEPS * len(configs)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    return train


def moved_apart(one: Tensor, other: Tensor) -> float:
    """Return the share of the parameters that differ."""
    return float(((one - other).abs() > 1e-8).double().mean())


RECIPES: list[dict[str, Value]] = [
    {"clipping": "none", "accumulation": 2},
    {"clipping": "none", "accumulation": 2, "optimizer": "adam", "weight_decay": 0.1},
    {"clipping": "none", "accumulation": 2, "optimizer": "adamw", "weight_decay": 0.1},
    {"clipping": "norm", "accumulation": 1, "clip_at": NORM},
    {"clipping": "value", "accumulation": 1, "clip_at": VALUE},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_the_steps_are_the_same(
    parameters_after: Callable[[Config], Tensor], tiny_config: Config, recipe: dict[str, Value]
) -> None:
    whole = tiny_config.with_values(ADDITIVE | recipe)
    half = halved_batch(whole)
    assert half is not None
    assert half.training.batch_size * 2 == whole.training.batch_size
    expected, found = parameters_after(whole), parameters_after(half)
    # Some gradients are zero but for their rounding, by which Adam divides.
    assert moved_apart(found, expected) < 0.01


def test_a_training_that_goes_on_with_half_the_batch_takes_the_steps_that_it_would_have_taken(
    parameters_after: Callable[..., Tensor], tiny_config: Config
) -> None:
    whole = tiny_config.with_values(ADDITIVE | RECIPES[0])
    half = halved_batch(whole)
    assert half is not None
    expected = parameters_after(whole, whole, whole)
    assert moved_apart(parameters_after(whole, half, half), expected) < 0.01
    assert moved_apart(parameters_after(whole, half, whole), expected) < 0.01, "and back again"


@pytest.mark.parametrize(
    ("recipe", "forgotten"),
    [(RECIPES[1], "weight_decay"), (RECIPES[3], "clip_at"), (RECIPES[4], "clip_at")],
    ids=str,
)
def test_what_is_doubled_has_to_be(
    parameters_after: Callable[[Config], Tensor],
    tiny_config: Config,
    recipe: dict[str, Value],
    forgotten: str,
) -> None:
    """The test above would see it if one of them were left as it was."""
    whole = tiny_config.with_values(ADDITIVE | recipe)
    half, value = halved_batch(whole), whole.values()[forgotten]
    assert half is not None
    assert value is not None
    wrong = half.with_values({forgotten: value})
    assert moved_apart(parameters_after(wrong), parameters_after(whole)) > 0.02


def test_only_what_the_steps_rest_on_is_changed() -> None:
    whole = Config().with_values({"optimizer": "adamw", "weight_decay": 0.1, "clipping": "none"})
    half = halved_batch(whole)
    assert half is not None
    changed = {name: v for name, v in half.values().items() if v != whole.values()[name]}
    assert changed == {"batch_size": 8, "accumulation": 20}


@pytest.mark.parametrize(("size", "halved"), [(64, 32), (6, 3), (4, 2), (2, None), (15, None)])
def test_a_batch_of_one_clip_or_of_a_part_of_one_is_none(size: int, halved: int | None) -> None:
    found = halved_batch(Config().with_values({"batch_size": size}))
    assert (found and found.training.batch_size) == halved
