"""The places of released parameters in our tensors."""

import pytest
import torch

from dlf.config import Config
from dlf.modalities import InputSizes
from dlf.model.dlf import DLF
from dlf.reference.names import is_dead, places
from tests.dlf.reference.released import Released, Shape


@pytest.fixture
def model(tiny_config: Config, tiny_sizes: InputSizes) -> DLF:
    return DLF(tiny_config.model, tiny_sizes)


def test_every_number_has_one_place(model: DLF) -> None:
    state = model.state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    total = 0
    for place in places(state, model.sizes).values():
        total += place.view.numel()
        place.view.add_(1000)
    assert total == sum(tensor.numel() for tensor in state.values())
    for name, tensor in state.items():
        assert torch.equal(tensor, before[name] + 1000), name


def test_filled_with_what_was_there_nothing_changes(model: DLF) -> None:
    state = model.state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    released = {name: p.released().clone() for name, p in places(state, model.sizes).items()}
    for tensor in state.values():
        tensor.zero_()
    for name, place in places(state, model.sizes).items():
        assert tuple(released[name].shape) == place.shape
        place.fill(released[name])
    for name, tensor in state.items():
        assert torch.equal(tensor, before[name]), name


def test_names_are_the_released_ones(model: DLF) -> None:
    shape = Shape(
        features={"text": 6, "audio": 3, "vision": 8},
        kernels={"text": 3, "audio": 4, "vision": 5},
        steps={"text": 9, "audio": 13, "vision": 6},
    )
    state = Released(shape).state
    found = places(model.state_dict(), model.sizes)
    live = {name for name in state if not is_dead(name)} - {"proj_v.weight"}
    assert found.keys() == live
    for name, place in found.items():
        assert place.shape == tuple(state[name].shape), name


@pytest.mark.parametrize(
    "name",
    [
        "proj_cosine_l.weight",
        "proj1_a_low.bias",
        "proj2_v_low.weight",
        "out_layer_l_low.weight",
        "trans_a_with_l.layers.0.fc1.weight",
        "trans_v_with_a.layer_norm.bias",
        "encoder_c.version",
        "trans_l_with_a.embed_positions._float_tensor",
    ],
)
def test_dead(name: str) -> None:
    assert is_dead(name)


@pytest.mark.parametrize(
    "name", ["proj_l.weight", "proj1_l_high.weight", "trans_l_with_a.layer_norm.bias", "version"]
)
def test_not_dead(name: str) -> None:
    assert not is_dead(name)
