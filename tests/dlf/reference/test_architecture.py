"""The architecture that is read from released parameters."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dlf.command import BadInputError
from dlf.config import Config
from dlf.modalities import MODALITIES, PerModality
from dlf.model.dlf import DLF
from dlf.reference.architecture import architecture_of, build
from tests.dlf.reference.released import Released, Shape

SHAPE = Shape(encoder_layers=2, attractor_layers=1, memory_layers=3)


def float32(shape: Shape) -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in Released(shape).state.items()}


def built_from(state: dict[str, Tensor]) -> DLF:
    architecture = architecture_of(state)
    return build(architecture.apply_to(Config(), heads=2), architecture.sizes, state)


def test_everything_is_read_from_the_shapes() -> None:
    values, sizes = architecture_of(float32(SHAPE))
    assert values == {
        "padding": "reference",
        "width": 8,
        "encoder_layers": 2,
        "attractor_layers": 1,
        "memory_layers": 3,
        "text_kernel": 3,
        "audio_kernel": 2,
        "vision_kernel": 4,
    }
    assert {m: sizes.widths[m] for m in MODALITIES} == SHAPE.features
    assert {m: sizes.time_steps[m] for m in MODALITIES} == SHAPE.steps


@pytest.mark.parametrize("there", [True, False])
def test_a_convolution_that_nothing_reads(there: bool) -> None:
    shape = replace(SHAPE, features={"text": 8, "audio": 3, "vision": 8}, unused_convolutions=there)
    state = float32(shape)
    assert ("proj_l.weight" in state) is there
    values, sizes = architecture_of(state, PerModality(text=8, audio=3, vision=8))
    assert {m: sizes.time_steps[m] for m in MODALITIES} == shape.steps
    config = Config().with_values({**values, "heads": 2})
    assert build(config, sizes, state).projections["text"].convolution is None
    if there:
        assert architecture_of(state) == (values, sizes)
    else:
        with pytest.raises(BadInputError, match=r"^proj_l.weight is missing among"):
            architecture_of(state)


def test_ten_layers_are_counted_as_such() -> None:
    values, _ = architecture_of(float32(replace(SHAPE, memory_layers=11)))
    assert values["memory_layers"] == 11


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("encoder_c.layer_norm.weight", None, "encoder_c.layer_norm.weight is missing"),
        ("encoder_c.layer_norm.weight", torch.ones(8, 1), r"has the shape \(8, 1\), not 1 dim"),
        ("encoder_c.layer_norm.weight", torch.ones(0), r"has the shape \(0,\)"),
        ("encoder_c.layer_norm.weight", torch.ones(7), "no multiple of the width 7"),
        ("proj_a.weight", torch.ones(8, 3), r"proj_a.weight has the shape \(8, 3\), not 3"),
        ("proj_a.weight", torch.ones(9, 3, 2), "with the other parameters goes"),
        ("proj1.weight", torch.ones(48, 47), r"proj1.weight has the shape \(48, 47\)"),
        ("proj1.bias", None, "^proj1.bias is missing among the parameters"),
        ("proj3.bias", torch.ones(4), "^proj3.bias is not among the parameters of the released"),
        ("encoder_s_v.layers.1.fc1.bias", None, r"layers.1.fc1.bias is missing"),
        ("encoder_s_v.layers.2.fc1.bias", torch.ones(32), "encoder_s_v must have the same number"),
        ("trans_v_mem.layers.3.fc1.bias", torch.ones(32), "trans_v_mem must have the same number"),
    ],
)
def test_misfits(name: str, tensor: Tensor | None, words: str) -> None:
    state = float32(SHAPE)
    state.pop(name, None)
    if tensor is not None:
        state[name] = tensor
    with pytest.raises(BadInputError, match=words):
        built_from(state)


def test_an_encoder_without_layers() -> None:
    state = {name: x for name, x in float32(SHAPE).items() if "trans_l_mem.layers" not in name}
    with pytest.raises(BadInputError, match=r"^trans_l_mem has no layers"):
        architecture_of(state)


@pytest.mark.parametrize("heads", [0, -1, 3, 16])
def test_heads_that_do_not_divide_the_width(heads: int) -> None:
    with pytest.raises(BadInputError, match=f"^{heads} heads do not divide the width of 8$"):
        architecture_of(float32(SHAPE)).apply_to(Config(), heads)
