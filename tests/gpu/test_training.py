"""Training on a GPU comes to what it comes to on a CPU: in every precision, and compiled."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dlf.config import Config, Value
from dlf.data import open_split, read_manifest
from dlf.text.sizes import input_sizes
from dlf.training.training import Training
from search.resources.gpu_memory import CudaMeter
from tests.support.optimisations import DROPOUTS
from tests.support.small_models import PRECOMPUTED

EPOCHS = 3


@pytest.fixture
def training(tiny_data: Path) -> Callable[..., Training]:
    """Make a training without dropout, which a GPU draws in its own way."""
    train, valid = (open_split("synthetic", tiny_data, name) for name in ("train", "valid"))
    manifest = read_manifest("synthetic", tiny_data)

    def make(device: str = "cuda", **values: Value) -> Training:
        config = Config().with_values(
            dict.fromkeys(DROPOUTS, 0.0) | {"accumulation": 1, "learning_rate": 1e-3} | values
        )
        sizes = input_sizes(manifest, PRECOMPUTED, config.data)
        return Training(config, sizes, train, valid, seed=0, max_epochs=EPOCHS, device=device)

    return make


def losses_of(training: Training) -> list[float]:
    return [record.loss.total for record in training.epochs()]


def test_it_comes_to_what_a_cpu_comes_to(training: Callable[..., Training]) -> None:
    assert losses_of(training("cuda")) == pytest.approx(losses_of(training("cpu")), rel=0.02)


@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ({"precision": "tf32"}, 0.03),
        ({"precision": "bfloat16"}, 0.1),
        ({"compiled": True}, 0.02),
        ({"compiled": True, "precision": "bfloat16"}, 0.1),
    ],
    ids=str,
)
def test_every_option_trains(
    training: Callable[..., Training], values: dict[str, Value], bound: float
) -> None:
    plain, found = losses_of(training()), losses_of(training(**values))
    assert found[-1] < found[0]
    assert found == pytest.approx(plain, rel=bound)


def test_full_precision_is_full(training: Callable[..., Training]) -> None:
    """TensorFloat-32 gives other losses, so that the setting reaches the products."""
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this GPU has no TensorFloat-32")
    assert losses_of(training()) != losses_of(training(precision="tf32"))


def test_a_meter_counts_what_was_held_and_tells_when_it_is_too_much(
    training: Callable[..., Training],
) -> None:
    meter = CudaMeter()
    peak = meter.peak_of(lambda: training().rehearse())
    assert peak is not None
    assert 10_000_000 < peak < meter.total()
    held: list[torch.Tensor] = []

    def take_all() -> None:
        held.append(torch.empty(2 * meter.total(), dtype=torch.uint8, device="cuda"))

    assert meter.peak_of(take_all) is None
    assert not held


def test_a_checkpoint_goes_from_one_to_the_other(training: Callable[..., Training]) -> None:
    on_gpu, on_cpu = training("cuda"), training("cpu")
    on_gpu.train_epoch()
    on_cpu.restore(on_gpu.state())
    assert on_cpu.train_epoch().loss.total == pytest.approx(
        on_gpu.train_epoch().loss.total, rel=0.02
    )
