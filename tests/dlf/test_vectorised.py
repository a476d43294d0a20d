"""One training step of two configurations at once, by `torch.func.vmap`, is two steps."""

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from dlf.config import Config, Value
from dlf.losses import LossTerms, LossWeights, loss_terms
from dlf.modalities import MODALITIES, InputSizes, Modality, PerModality
from dlf.model.dlf import DLF, Inputs
from tests.support.clips import assert_same, batch_of, clips_of

DIFFERENT: list[dict[str, Value]] = [
    {},
    {
        "margin": 0.6,
        "lambda_r": 0.4,
        "lambda_s": 0.02,
        "lambda_m": 0.3,
        "lambda_o": 0.2,
        "beta_f": 0.5,
        "beta_sh": 2.0,
        "beta_sp_l": 0.7,
        "beta_sp_v": 1.3,
        "beta_sp_a": 0.1,
    },
]
"""two configurations of one shape"""
LABELS = torch.tensor([1.0, 1.0, -2.0, 0.4, -2.0])

Parameters = dict[str, Tensor]


@pytest.fixture(autouse=True)
def no_slow_way() -> Iterator[None]:
    """An operator without a batching rule is run once for each configuration, with a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning)
        yield


def inputs_of(sizes: InputSizes, several: list[tuple[int, int, int]]) -> Inputs:
    lengths: list[dict[Modality, int]] = [
        dict(zip(MODALITIES, each, strict=True)) for each in several
    ]
    whole: dict[Modality, int] = {m: sizes.time_steps[m] for m in MODALITIES}
    return batch_of(clips_of([*lengths, whole], sizes))


def aligned(sizes: InputSizes) -> tuple[InputSizes, Inputs]:
    nine = PerModality(text=9, audio=9, vision=9)
    sizes = sizes.model_copy(update={"time_steps": nine})
    return sizes, inputs_of(sizes, [(3, 3, 3), (7, 7, 7), (1, 1, 1), (5, 5, 5)])


def unaligned(sizes: InputSizes) -> tuple[InputSizes, Inputs]:
    return sizes, inputs_of(sizes, [(3, 11, 2), (7, 1, 6), (1, 13, 1), (9, 5, 4)])


def unequal(sizes: InputSizes) -> tuple[InputSizes, Inputs]:
    """Each modality is in a stack of its own."""
    long = PerModality(text=5, audio=13, vision=30)
    sizes = sizes.model_copy(update={"time_steps": long})
    return sizes, inputs_of(sizes, [(3, 11, 25), (2, 1, 6), (1, 13, 1), (5, 5, 17)])


@pytest.mark.parametrize(
    "structure",
    [
        {},
        {"padding": "reference"},
        {"attractor": "own"},
        {"orthogonality_width": 4, "hierarchical": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [aligned, unaligned, unequal])
def test_two_steps_at_once_are_two_steps(
    tiny_config: Config,
    tiny_sizes: InputSizes,
    kind: Callable[[InputSizes], tuple[InputSizes, Inputs]],
    structure: dict[str, Value],
) -> None:
    sizes, inputs = kind(tiny_sizes)
    config = tiny_config.with_values(structure)
    configs = [config.with_values(values) for values in DIFFERENT]
    torch.manual_seed(0)
    models = [DLF(each.model, sizes).eval() for each in configs]
    weights = [LossWeights.of(each.loss, torch.device("cpu")) for each in configs]

    def step(parameters: Parameters, weights: LossWeights) -> tuple[Tensor, LossTerms]:
        outputs = functional_call(models[0], parameters, (inputs, config.regularisers))
        terms = loss_terms(outputs, LABELS, weights, config)
        return terms.total, terms

    expected = []
    for model, own in zip(models, weights, strict=True):
        terms = loss_terms(model(inputs, config.regularisers), LABELS, own, config)
        gradients = torch.autograd.grad(
            terms.total, list(model.parameters()), allow_unused=True, materialize_grads=True
        )
        expected.append((terms, gradients))

    parameters, _ = stack_module_state(models)
    together = LossWeights(*(torch.stack(each) for each in zip(*weights, strict=True)))
    gradients, (_, terms) = vmap(grad_and_value(step, has_aux=True))(parameters, together)

    names = [name for name, _ in models[0].named_parameters()]
    for i, (own_terms, own_gradients) in enumerate(expected):
        assert_same(own_terms._asdict(), {n: x[i] for n, x in terms._asdict().items()})
        own = dict(zip(names, own_gradients, strict=True))
        assert_same(own, {name: gradients[name][i] for name in names}, bound=2e-5)
        assert sum(gradient.any() for gradient in own.values()) == len(names)
    assert not torch.allclose(expected[0][0].total, expected[1][0].total)
