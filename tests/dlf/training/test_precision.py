"""Torch's settings of products: those of a configuration while it is trained, restored after."""

from collections.abc import Callable, Iterator

import pytest
import torch

from dlf.config import Config
from dlf.data import Split
from dlf.modalities import InputSizes
from dlf.training.batching import Batch
from dlf.training.inference import predict
from dlf.training.optimisation import Learned, Optimisation
from dlf.training.precision import products_of
from dlf.training.training import NonFiniteError, Training

Flags = tuple[bool, bool]
ALLOWED = {"float32": (False, False), "tf32": (True, True), "bfloat16": (False, False)}


def flags() -> Flags:
    """Whether products and convolutions may take TensorFloat-32."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def set_flags(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions


@pytest.fixture(params=[(False, True), (True, False)], autouse=True)
def before(request: pytest.FixtureRequest) -> Iterator[Flags]:
    """The first are those that torch begins with."""
    kept = flags()
    set_flags(*request.param)
    yield request.param
    set_flags(*kept)


@pytest.fixture
def training(
    planted_split: Callable[..., Split], tiny_config: Config, tiny_sizes: InputSizes
) -> Callable[..., Training]:
    """Make a training of two batches an epoch."""
    train, valid = planted_split(16, seed=1), planted_split(8, seed=2)

    def make(precision: str) -> Training:
        config = tiny_config.with_values({"precision": precision})
        return Training(config, tiny_sizes, train, valid, seed=0, max_epochs=2)

    return make


@pytest.mark.parametrize("precision", ALLOWED)
def test_an_epoch_has_the_settings_of_its_configuration(
    training: Callable[..., Training],
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    before: Flags,
) -> None:
    seen: list[Flags] = []
    learn = Optimisation.learn

    def watched(optimisation: Optimisation, batch: Batch) -> Learned:
        learned = learn(optimisation, batch)
        seen.append(flags())
        return learned

    monkeypatch.setattr(Optimisation, "learn", watched)
    made = training(precision)
    made.model.register_forward_pre_hook(lambda *_: seen.append(flags()))
    made.train_epoch()
    assert len(seen) >= 5, "two batches before and after they are learned, and a validation batch"
    assert set(seen) == {ALLOWED[precision]}
    assert flags() == before


def test_trainings_that_take_turns_have_each_their_own(
    training: Callable[..., Training], before: Flags
) -> None:
    first, second = training("tf32"), training("float32")
    seen: list[Flags] = []
    for made in (first, second):
        made.model.register_forward_hook(lambda *_: seen.append(flags()))
    for made in (first, second, first):
        seen.clear()
        made.train_epoch()
        assert set(seen) == {ALLOWED[made.config.training.precision]}
    assert flags() == before


def test_a_prediction_has_them_too(training: Callable[..., Training], before: Flags) -> None:
    made = training("tf32")
    seen: list[Flags] = []
    made.model.register_forward_hook(lambda *_: seen.append(flags()))
    assert made._valid is not None
    predict(made.model, made._valid, made.config)
    assert seen == [ALLOWED["tf32"]]
    assert flags() == before


def test_they_are_restored_when_a_training_fails(
    training: Callable[..., Training], before: Flags
) -> None:
    made = training("tf32")
    with torch.no_grad():
        next(made.model.parameters()).fill_(torch.nan)
    with pytest.raises(NonFiniteError):
        made.train_epoch()
    assert flags() == before


def test_on_a_cpu_they_change_nothing(training: Callable[..., Training]) -> None:
    first, second = (training(precision).train_epoch() for precision in ("float32", "tf32"))
    assert first.named() == second.named()


def test_they_may_be_nested(tiny_config: Config, before: Flags) -> None:
    with products_of(tiny_config.with_values({"precision": "tf32"})):
        with products_of(tiny_config):
            assert flags() == ALLOWED["float32"]
        assert flags() == ALLOWED["tf32"]
    assert flags() == before
