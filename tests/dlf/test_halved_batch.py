"""Half the batch and twice the accumulation: the same steps, or none where it cannot be."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from dlf.batching import Batch, Clips
from dlf.config import Config, Value
from dlf.data import Split
from dlf.halved_batch import halved_batch
from dlf.modalities import InputSizes
from dlf.model import DLF
from dlf.optimisation import Optimisation
from tests.support.optimisations import DROPOUTS

ADDITIVE: dict[str, Value] = dict.fromkeys(DROPOUTS, 0.0) | {"lambda_m": 0.0}
"""no dropout, and no loss that compares the clips of a batch"""
STEPS = 3


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def parameters_after(
    double_precision: None,
    planted_split: Callable[..., Split],
    tiny_config: Config,
    tiny_sizes: InputSizes,
) -> Callable[[Config], Tensor]:
    """Train some steps on the same clips in the same order, however they are cut into batches."""
    split = planted_split(8 * 2 * STEPS, seed=3)

    def train(config: Config) -> Tensor:
        torch.manual_seed(0)
        model = DLF(config.model, tiny_sizes)
        optimisation = Optimisation(model, config, "cpu")
        clips = Clips(split, tiny_sizes, config, "cpu")
        orders = torch.arange(len(clips)).split(config.training.batch_size)
        optimisation.begin_epoch(len(orders))
        for rows in orders:
            batch = clips.batch(rows.numpy())
            inputs = {m: x._replace(values=x.values.double()) for m, x in batch.inputs.items()}
            optimisation.learn(Batch(inputs, batch.labels.double()))
        assert optimisation.state()["steps"] == STEPS
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    return train


RECIPES: list[dict[str, Value]] = [
    {"clipping": "none"},
    {"clipping": "none", "optimizer": "adam", "weight_decay": 0.1},
    {"clipping": "none", "optimizer": "adamw", "weight_decay": 0.1},
    {"clipping": "norm", "clip_at": 0.5},
    {"clipping": "value", "clip_at": 0.6},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_the_steps_are_the_same(
    parameters_after: Callable[[Config], Tensor], tiny_config: Config, recipe: dict[str, Value]
) -> None:
    whole = tiny_config.with_values({**ADDITIVE, "accumulation": 2, **recipe})
    half = halved_batch(whole)
    assert half is not None
    assert (half.training.batch_size, half.training.accumulation) == (4, 4)
    expected, found = parameters_after(whole), parameters_after(half)
    # Adam divides by gradients, and so makes steps of the rounding of those that are zero.
    assert (found - expected).abs().mean() < 1e-7
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "forgotten"),
    [
        ({"clipping": "norm", "clip_at": 0.5}, "clip_at"),
        ({"optimizer": "adam", "weight_decay": 0.1, "clipping": "none"}, "weight_decay"),
        ({"clipping": "none"}, "accumulation"),
    ],
)
def test_what_is_doubled_has_to_be(
    parameters_after: Callable[[Config], Tensor],
    tiny_config: Config,
    recipe: dict[str, Value],
    forgotten: str,
) -> None:
    """The test above would see it if one of them were left as it was."""
    whole = tiny_config.with_values({**ADDITIVE, "accumulation": 2, **recipe})
    half = halved_batch(whole)
    assert half is not None
    value = whole.values()[forgotten]
    assert value is not None
    wrong = half.with_values({forgotten: value})
    if forgotten == "accumulation":
        with pytest.raises(AssertionError):
            parameters_after(wrong)
        return
    assert (parameters_after(wrong) - parameters_after(whole)).abs().mean() > 1e-6


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
